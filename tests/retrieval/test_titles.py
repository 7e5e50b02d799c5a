"""A title is what a person would call the issue, whatever template it was written in."""

import pytest

from retrieval.titles import title_of


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Search is slow\n\nVery.", "Search is slow"),
        ("\n\n  ## Search is   slow ##\n", "Search is slow"),
        ("**Search is slow**\nVery.", "Search is slow"),
        ("<!-- Thanks for\nreporting! -->\n# Search is slow", "Search is slow"),
        ("---\nSearch is slow", "Search is slow"),
        ("__init__ fails with *args", "__init__ fails with *args"),
        ("C# files are skipped", "C# files are skipped"),
        ("#123 came back", "#123 came back"),
        ("<!-- nothing but an open comment", ""),
        ("  \n", ""),
    ],
)
def test_the_first_line_that_says_something_is_the_title(text, title):
    assert title_of(text) == title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("### Describe the bug\n\nThe gauge shows knots.", "The gauge shows knots."),
        ("**Bug description**\nThe gauge shows knots.", "The gauge shows knots."),
        ("Description\n\nThe gauge shows knots.", "The gauge shows knots."),
        ("#### What happened?\n#### Steps to reproduce:\nSet the gauge.", "Set the gauge."),
        ("- [x] I have searched the issues\n* [ ] I can help\n\nThe gauge is off", "The gauge is off"),
        (
            "---\nname: Bug report\nabout: Tell us\n---\n\n**Describe the bug**\nIt is off by two",
            "It is off by two",
        ),
        ("# Wrong knots in the wind gauge\n\n## Description\nText.", "Wrong knots in the wind gauge"),
        ("Build error on this Python version\nText.", "Build error on this Python version"),
        ("<!-- a form -->\n### Describe the bug\n", "Describe the bug"),
        ("风速计的单位不对\n\n节数错了。", "风速计的单位不对"),
    ],
)
def test_what_an_issue_form_has_before_its_answers_is_no_title(text, title):
    assert title_of(text) == title
