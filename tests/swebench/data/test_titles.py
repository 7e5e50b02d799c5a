"""A title is what a person would call the issue, whatever template it was written in."""

import pytest

from swebench.data.loading import load_instances
from swebench.data.titles import title_of


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


def test_a_very_long_line_is_cut():
    assert len(title_of("word " * 200)) == 200
    assert title_of("word " * 200).endswith("…")


def test_every_bundled_task_has_a_title():
    titles = [title_of(each.task.problem_statement) for each in load_instances("bundled").instances.values()]
    assert all(5 < len(title) < 100 for title in titles)
