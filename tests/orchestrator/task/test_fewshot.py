"""The worked examples are whole: their code parses, their repairs change it, their answers have the form."""

import ast
import textwrap

import pytest

from orchestrator.errors import ConfigError
from orchestrator.task.fewshot import examples

ALL = examples(5)


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
        examples(6)
