"""Every field of a run's configuration is a flag of solve and evaluate and a field of a task over HTTP."""

import click
import pytest
from pydantic import ValidationError

from orchestrator.cli.evaluate import SEVERAL
from orchestrator.cli.evaluate import command as evaluate
from orchestrator.cli.run_options import run_config, run_configs
from orchestrator.cli.solve import command as solve
from orchestrator.run_config import RunConfig
from services.work.inputs import TaskRequest

FIELDS = RunConfig.model_fields
SMALLEST_AND_LARGEST = {
    "samples": (1, 16),
    "edits": (0, 200),
    "retries": (0, 8),
    "seed": (0, 2**31 - 1),
    "context_tokens": (1, 16_384),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_on_all_three_surfaces_with_one_default_and_one_help(name):
    for command, several in ((solve, False), (evaluate, name in SEVERAL)):
        option = next(each for each in command.params if each.name == name)
        default = FIELDS[name].default
        assert option.default == ((default,) if several else default)
        assert option.help == FIELDS[name].description
        assert f"--{name.replace('_', '-')}" in option.opts
    assert TaskRequest.model_fields[name].default == FIELDS[name].default
    assert TaskRequest.model_json_schema()["properties"][name]["description"] == FIELDS[name].description


@pytest.mark.parametrize("name", SMALLEST_AND_LARGEST)
def test_bounds_are_the_same_for_a_flag_and_a_field(name):
    smallest, largest = SMALLEST_AND_LARGEST[name]
    for value in (smallest, largest):
        with solve.make_context("solve", ["x", f"--{name.replace('_', '-')}", str(value)]) as context:
            assert run_config(context.params) == RunConfig(**{name: value})
        assert TaskRequest(instance_id="x", **{name: value}).config == RunConfig(**{name: value})
    for value in (smallest - 1, largest + 1):
        with pytest.raises(click.BadParameter):
            solve.make_context("solve", ["x", f"--{name.replace('_', '-')}", str(value)])
        with pytest.raises(ValidationError):
            TaskRequest(instance_id="x", **{name: value})


def test_a_batch_has_a_run_for_each_combination_of_variants_and_retrieval():
    flags = ["--variant", "baseline", "--variant", "static", "--variant", "static", "--rag", "--no-rag"]
    with evaluate.make_context("evaluate", [*flags, "--retries", "1"]) as context:
        found = run_configs(context.params, SEVERAL)
    assert [(each.variant, each.rag) for each in found] == [
        ("baseline", True),
        ("baseline", False),
        ("static", True),
        ("static", False),
    ]
    assert {each.retries for each in found} == {1}


def test_policy_is_refused_with_what_took_its_place():
    with pytest.raises(ValidationError, match="--variant certified"):
        RunConfig(policy="evidence")
    with pytest.raises(ValidationError, match="--variant certified"):
        TaskRequest(instance_id="x", policy="rule")
    for command in (solve, evaluate):
        with pytest.raises(click.UsageError, match="--variant certified"):
            command.make_context("x", ["--policy", "evidence"])


def test_a_folder_of_vectors_is_a_flag_and_never_part_of_a_request():
    assert all(any(option.name == "vectors" for option in command.params) for command in (solve, evaluate))
    with pytest.raises(ValidationError, match="vectors"):
        TaskRequest(instance_id="x", vectors="/etc")
