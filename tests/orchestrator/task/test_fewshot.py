"""The worked examples are whole: their code parses, their repairs change it, their answers have the form."""

import ast
import textwrap

import pytest

from orchestrator.errors import ConfigError
from orchestrator.task.fewshot import available, nearest

ALL = available()


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.place)
def test_an_example_repairs_its_region(example):
    repaired = example.answer("patch_writing").removeprefix("```python\n").removesuffix("\n```")
    before, after = (ast.parse(textwrap.dedent(code)) for code in (example.region, repaired))
    assert ast.dump(before) != ast.dump(after)
    assert before.body[0].name == after.body[0].name


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.place)
def test_an_example_answers_in_the_form_the_nodes_ask_for(example):
    assert example.answer("code_reading").startswith("The report is about `")
    assert example.answer("bug_analysis").startswith("The fault is in `")


def test_asking_for_more_examples_than_there_are_says_how_many_there_are():
    with pytest.raises(ConfigError, match="there are 5"):
        nearest("an issue", 6)


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.place)
def test_the_example_of_the_very_issue_comes_first(example):
    assert nearest(example.issue, 1) == (example,)
    assert nearest(example.issue, 5)[0] == example


def test_the_nearest_example_comes_first_and_the_order_is_the_same_each_time():
    issue = "A discount is applied to an order below the limit"
    found = nearest(issue, 3)
    assert found[0].place == "shop/pricing.py, function discount"
    assert found == nearest(issue, 3) == nearest(issue, 5)[:3]


@pytest.mark.parametrize("issue", ["", "zebra quagga okapi", "…"])
def test_an_issue_that_shares_nothing_with_any_gets_them_in_the_files_order(issue):
    assert nearest(issue, 5) == ALL
    assert nearest(issue, 2) == ALL[:2]


def test_none_are_chosen_where_none_are_asked_for():
    assert nearest("an issue", 0) == ()
