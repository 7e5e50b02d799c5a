"""Trials are made of the prompts that the nodes really see, and judge answers by the nodes' own measure."""

import json
from types import SimpleNamespace

import pytest

from orchestrator.calibration.situations import FEW_SHOT, check_asked, situations
from orchestrator.calibration.trials import CHEAP, Size, added_lines, build_trial, valid_answer
from orchestrator.errors import ConfigError
from orchestrator.session import Session
from orchestrator.settings import Settings
from swebench.data.bundles import bundled_files
from swebench.data.loading import load_instances

SMALL = Size(n=6, proposal_n=4, watched=2)


@pytest.fixture(scope="module")
def session(tiny_model, tmp_path_factory):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=lambda *_: None) as session:
        yield session


@pytest.fixture(scope="module")
def instances():
    return list(load_instances("bundled").instances.values())[:2]


def user(situation):
    return situation.prompt.messages[-1]["content"]


@pytest.mark.parametrize("domain", ["code_reading", "bug_analysis", "patch_writing", "test_reasoning"])
def test_retrieved_code_is_in_the_prompts_of_rag_and_in_no_others(session, instances, domain):
    plain = situations(session, domain, "zero-shot", instances, 200)
    shown = situations(session, domain, "rag", instances, 200)
    assert plain
    assert not any("# Code" in user(each) for each in plain)
    assert all("# Code" in user(each) and ".py, lines" in user(each) for each in shown)
    assert all("# Report" in user(each) for each in [*plain, *shown])


@pytest.mark.parametrize("domain", ["code_reading", "bug_analysis", "patch_writing"])
def test_few_shot_prompts_hold_worked_examples(session, instances, domain):
    for each in situations(session, domain, "few-shot", instances, 200):
        roles = [message["role"] for message in each.prompt.messages]
        assert roles == ["system", *["user", "assistant"] * FEW_SHOT, "user"]


def test_a_later_node_is_shown_what_the_one_before_it_found(session, instances):
    for domain in ("bug_analysis", "patch_writing"):
        for each in situations(session, domain, "zero-shot", instances, 200):
            assert "# Finding\nThe " in user(each)


def test_the_region_is_shown_beside_retrieved_code_only(session, instances):
    (plain, *_) = situations(session, "patch_writing", "zero-shot", instances, 200)
    assert "Answer with the new code alone." in user(plain).splitlines()[-1]
    assert plain.prompt.prefix == "```python\n" + plain.target.opening(plain.source)
    assert not plain.target.is_line
    (shown, *_) = situations(session, "patch_writing", "rag", instances, 200)
    assert user(shown).endswith("\n```")


def test_reports_are_cut_to_their_budget(session, instances):
    for each in situations(session, "code_reading", "zero-shot", instances, 100):
        assert session.model.count_tokens(each.shown) <= 101


def test_what_no_node_does_is_refused(session, instances):
    for regime, metric in (("rag", "likelihood"), ("few-shot", "keywords"), ("zero-shot", "gold")):
        with pytest.raises(ConfigError, match="django_web"):
            check_asked("django_web", regime, metric, ["view"])
    check_asked("django_web", "zero-shot", "likelihood", ())
    with pytest.raises(ConfigError, match="no keywords"):
        check_asked("mine", "zero-shot", "keywords", ())
    with pytest.raises(ConfigError, match="examples"):
        situations(session, "test_reasoning", "few-shot", instances, 100)


def test_a_trial_puts_each_text_after_one_prompt_and_shares_the_prompts_out(session):
    trial = build_trial(session, "code_reading", "zero-shot", "likelihood", SMALL)
    everything = [*trial.proposal, *trial.certification]
    assert (len(trial.proposal), len(trial.certification), len(trial.answers)) == (4, 6, 2)
    assert len({each.text for each in everything}) == 10
    assert [each.situation for each in everything] == list(range(10))
    by_situation = {each.situation: each.prompt_ids for each in everything}
    assert len(set(by_situation.values())) == len(by_situation)
    assert all(each.sampling.temperature == 0 for each in trial.answers)


def test_a_cheap_trial_takes_the_shortest_prompts(session):
    whole = build_trial(session, "code_reading", "zero-shot", "likelihood", Size(n=20))
    cheap = build_trial(session, "code_reading", "zero-shot", "likelihood", CHEAP)
    assert len({each.situation for each in cheap.certification}) == CHEAP.situations
    longest = max(len(each.prompt_ids) for each in cheap.certification)
    assert longest < min(len(each.prompt_ids) for each in whole.certification)


def test_generated_answers_have_seeds_of_their_own(session):
    trial = build_trial(session, "code_reading", "zero-shot", "validity", SMALL, seed=3)
    seeds = [each.sampling.seed for each in (*trial.proposal, *trial.certification)]
    assert len(set(seeds)) == len(seeds) == 10
    other = build_trial(session, "code_reading", "zero-shot", "validity", SMALL, seed=4)
    assert not set(seeds) & {each.sampling.seed for each in (*other.proposal, *other.certification)}


def test_gold_lines_are_those_that_the_patch_adds_to_python_files(session, instances):
    for instance in instances:
        lines = added_lines(instance)
        assert lines
        for line in lines.splitlines():
            assert f"+{line}" in instance.patch
    trial = build_trial(session, "code_reading", "zero-shot", "gold", Size(n=20))
    texts = {session.model.tokenizer.decode(each.text) for each in (*trial.proposal, *trial.certification)}
    assert texts <= {added_lines(each) for each in load_instances("bundled").instances.values()}
    assert not any(each.neutral for each in trial.certification)


def test_as_many_gold_patches_choose_as_leave_enough_to_certify_on(session):
    there = len(load_instances("bundled").instances)
    trial = build_trial(session, "code_reading", "zero-shot", "gold", Size(n=there - 4))
    assert (len(trial.proposal), len(trial.certification)) == (4, there - 4)
    assert not {each.situation for each in trial.proposal} & {each.situation for each in trial.certification}
    other = build_trial(session, "code_reading", "zero-shot", "gold", Size(n=there - 4), seed=1)
    assert [each.situation for each in trial.proposal] != [each.situation for each in other.proposal]


def test_of_more_tasks_than_are_asked_for_chance_takes_some_wherever_they_stand(session):
    def taken(seed):
        trial = build_trial(session, "code_reading", "zero-shot", "gold", Size(n=4, proposal_n=2), seed=seed)
        return {each.text for each in (*trial.proposal, *trial.certification)}

    assert len(taken(0)) == len(taken(1)) == 6
    assert taken(0) == taken(0) != taken(1)


def test_tasks_whose_patch_adds_no_lines_take_no_place_among_those_asked_for(session, tmp_path):
    rows = [json.loads(line) for path in bundled_files() for line in path.read_text("utf-8").splitlines()]
    rows = [row | {"patch": ""} for row in rows[6:]] + rows[:6]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    how = Size(n=4, proposal_n=2)
    trial = build_trial(session, "code_reading", "zero-shot", "gold", how, dataset=str(file))
    assert len({each.text for each in (*trial.proposal, *trial.certification)}) == 6


def test_where_there_is_nothing_to_choose_all_certify(session):
    trial = build_trial(session, "code_reading", "zero-shot", "gold", Size(proposal_n=0))
    assert trial.proposal == trial.certification
    assert len(trial.certification) == len(load_instances("bundled").instances)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("mean` and it fails.", True),
        ("mean()` and it fails.", True),
        ("median` and it fails.", False),
        ("mean and it fails.", False),
        ("the function, which calls `mean`.", False),
        ("", False),
    ],
)
def test_an_answer_is_valid_where_it_names_something_from_what_it_was_shown(text, valid):
    there = SimpleNamespace(
        shown="mean() of an empty list", target=None, prompt=SimpleNamespace(prefix="The report is about `")
    )
    assert valid_answer("code_reading", there)(text) is valid


def test_a_rewrite_is_valid_where_it_becomes_a_patch(session, instances):
    (each, *_) = situations(session, "patch_writing", "zero-shot", instances, 200)
    judge = valid_answer("patch_writing", each)
    lines = each.source.split("\n")[each.target.region.start_line - 1 : each.target.region.end_line]
    margin = len(lines[0]) - len(lines[0].lstrip())
    same = "\n".join(line[margin:] for line in lines)
    assert judge("return 0\n")
    assert not judge("return (\n")
    assert not judge("")
    assert not judge(same)


def test_a_data_set_without_enough_patches_says_what_it_lacks(session, tmp_path):
    row = {"instance_id": "a__b-1", "repo": "a/b", "base_commit": "0" * 40, "problem_statement": "x"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(ConfigError, match=r"no task .* has a patch that adds lines"):
        build_trial(session, "code_reading", "zero-shot", "gold", SMALL, dataset=str(tmp_path / "rows.jsonl"))
