"""The graph on a real repository with scripted answers: what is shown, tried, kept and recorded."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from orchestrator.events import Decided, Tokens
from orchestrator.policy.variants import policy_for
from orchestrator.run_config import RunConfig
from orchestrator.task.artifacts import Artifacts
from orchestrator.task.fewshot import nearest
from orchestrator.task.graph import build_graph
from orchestrator.task.nodes.catalogue import MOST_UNTESTED
from orchestrator.task.state import Tools
from retrieval.search import Retriever
from retrieval.store import RepoStore
from swebench.data.tasks import Task
from swebench.grading.suites import LocalTestBed
from swebench.grading.verdicts import run_existing_tests
from tests.orchestrator.conftest import PROBLEM, ScriptedEngine
from vectors.steering.intervention import Intervention

READING = "mean` in `abacus/calc.py`. mean([]) divides by zero."
ANALYSIS = "mean` of `abacus/calc.py`. It has no guard for an empty list. It has to return 0."
GOOD = " if not values:\n        return 0\n    total = sum(values)\n    return total / len(values)\n"
SAME = " total = sum(values)\n    return total / len(values)\n"
BROKEN = " total = sum(values\n"


class Model:
    """Counts words as tokens, takes a line for one token, and keeps the messages it was asked to encode."""

    name, context_length = "scripted", 8192

    def __init__(self):
        self.asked = []

    def count_tokens(self, text):
        return len(text.split())

    def encode(self, text, *, begins):
        return [1]

    def chat_ids(self, messages, prefix=""):
        self.asked.append(SimpleNamespace(text=messages[-1]["content"], turns=len(messages), prefix=prefix))
        return tuple(range(1, 10 + self.count_tokens(messages[-1]["content"])))


class Vectors:
    """Hands out a recognisable steering for each domain."""

    def __init__(self):
        self.asked = []

    def get(self, model, domain, progress=None):
        import torch

        self.asked.append(domain)
        return SimpleNamespace(
            sha256="0" * 64,
            intervention=lambda: Intervention(torch.ones(4), layer=2, alpha=3.0),
            relative_alpha=lambda steering: 0.5,
        )


class Run:
    """One task through the graph with scripted answers."""

    def __init__(self, project, out, answers, **config):
        self.config = RunConfig(**({"samples": 1, "edits": 0} | config))
        self.engine, self.model, self.vectors = ScriptedEngine(answers), Model(), Vectors()
        repository = RepoStore.local(project)
        commit = repository.resolve("HEAD")
        task = Task(
            instance_id="abacus-1", repo="local/abacus", base_commit=commit, problem_statement=PROBLEM
        )
        self.tools = Tools(
            task=task,
            commit=commit,
            config=self.config,
            policy=policy_for(self.config.variant, dict),
            examples=nearest(PROBLEM, self.config.few_shot),
            model=self.model,
            engine=self.engine,
            vectors=self.vectors,
            repository=repository,
            retriever=Retriever(repository, out / "index"),
            artifacts=Artifacts(out, "abacus-1"),
            reproduction=None,
            test_timeout_s=60.0,
            existing_tests=partial(
                run_existing_tests, task, repository.git, test_bed=LocalTestBed(out / "cache")
            ),
        )
        self.events = []

    async def go(self):
        graph = build_graph(InMemorySaver())
        thread = {"configurable": {"thread_id": "t"}}
        inputs = {"instance_id": "abacus-1"}
        async for part in graph.astream(
            inputs, thread, context=self.tools, stream_mode=["custom"], version="v2"
        ):
            self.events.append(part["data"])
        return (await graph.aget_state(thread)).values

    def steered(self):
        return [bool(request.steering) for request in self.engine.requests]


def kept(run, name):
    """A JSON artifact as it lies on disk."""
    return json.loads(run.tools.artifacts.read(name))


async def test_a_good_rewrite_becomes_a_patch_that_git_applies(project, tmp_path):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD])
    state = await run.go()
    patch = run.tools.artifacts.read(state["patch"])
    assert "+    if not values:" in patch
    checked = {"applies": True, "parses": True, "files": ["abacus/calc.py"], "still_failing": []}
    assert state["check"] == checked
    assert [record["name"] for record in state["nodes"]] == ["code_reading", "bug_analysis", "patch_writing"]


@pytest.mark.parametrize("widen", [False, True])
async def test_findings_are_searched_for_only_where_the_run_is_to(project, tmp_path, monkeypatch, widen):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD], widen=widen)
    asked = []
    search = run.tools.retriever.search

    def noted(*question, extra, **how):
        asked.extend(extra)
        return search(*question, extra=extra, **how)

    monkeypatch.setattr(run.tools.retriever, "search", noted)
    state = await run.go()
    assert asked == ([state["findings"]] if widen else [])


async def test_what_was_written_twice_comes_before_what_was_written_once(project, tmp_path):
    other = GOOD.replace("return 0", "return None")
    assert other != GOOD
    answers = [READING, ANALYSIS, BROKEN, BROKEN, GOOD, other, other]  # a line first, then four bodies
    run = Run(project, tmp_path / "out", answers, samples=4)
    await run.go()
    found = [each["patch"] for each in kept(run, "candidates/1.json")]
    assert "return None" in found[0] and found[0] == found[1]
    assert "return 0" in found[2] and not found[3]


async def test_the_retry_edge_tries_the_next_region_and_gives_up_after_the_last_retry(project, tmp_path):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, BROKEN, SAME, BROKEN], retries=2)
    state = await run.go()
    tried = [kept(run, f"candidates/{n}.json")[0] for n in range(3)]
    assert len({(*candidate["region"].values(), candidate["name"]) for candidate in tried}) == 3
    assert tried[1]["verdict"] == "no_op"
    assert {tried[0]["verdict"], tried[2]["verdict"]} <= {"truncated", "does_not_parse"}
    assert state["patch"] == ""
    assert run.engine.answers == []


async def test_the_first_attempt_tries_the_best_edits_of_the_catalogue(project, tmp_path):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS], edits=5)
    state = await run.go()
    candidates = kept(run, "candidates/0.json")
    assert [candidate["number"] for candidate in candidates] == list(range(len(candidates)))
    assert sum(not candidate["patch"] for candidate in candidates) == len(candidates) - 5
    scores = [candidate["score"] for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    assert state["check"]["applies"] and state["check"]["parses"]
    record = state["nodes"][-1]
    assert record["name"] == "patch_writing" and record["steering"]["applied"] is False
    assert record["retrieved_tokens"] > 0


async def test_where_no_tests_are_run_few_edits_become_candidates_and_the_best_is_the_same(project, tmp_path):
    one = Run(project, tmp_path / "one", [READING, ANALYSIS], edits=1)
    many = Run(project, tmp_path / "many", [READING, ANALYSIS], edits=120)
    assert (await one.go())["check"] == (await many.go())["check"]
    candidates = kept(many, "candidates/0.json")
    assert sum(bool(candidate["patch"]) for candidate in candidates) == MOST_UNTESTED
    assert one.tools.artifacts.read("patch.diff") == many.tools.artifacts.read("patch.diff")


async def test_without_retrieved_code_the_model_is_not_shown_any_to_score_edits(project, tmp_path):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD], edits=5, rag=False)
    await run.go()
    assert all(not request.alternatives for request in run.engine.requests)
    assert run.steered() == [True, True, True]


async def test_when_no_edit_holds_the_model_writes_next(project, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.task.nodes.catalogue.refusal", lambda before, after: "no_op")
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD], edits=5, retries=1)
    state = await run.go()
    assert "+    if not values:" in run.tools.artifacts.read(state["patch"])
    assert {c["verdict"] for c in kept(run, "candidates/0.json")} == {"no_op"}


async def test_without_a_valid_candidate_there_is_no_patch_and_every_candidate_says_why(project, tmp_path):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, BROKEN, SAME, SAME], samples=2, retries=1)
    state = await run.go()
    assert state["patch"] == ""
    verdicts = [c["verdict"] for n in (0, 1) for c in kept(run, f"candidates/{n}.json")]
    assert verdicts == ["truncated", "no_op", "no_op"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [True, False, False]),
        ({"rag": False}, [True, True, True]),
        ({"few_shot": 2}, [False, False, False]),
        ({"variant": "baseline", "rag": False}, [False, False, False]),
        ({"variant": "dynamic"}, [True, True, True]),
        ({"variant": "static"}, [True, True, True]),
    ],
    ids=str,
)
async def test_what_the_policy_decides_is_what_the_engine_gets_and_what_the_record_says(
    project, tmp_path, settings, expected
):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD], **settings)
    state = await run.go()
    assert run.steered() == expected
    assert [record["steering"]["applied"] for record in state["nodes"]] == expected
    assert all(record["steering"]["reason"] for record in state["nodes"])
    told = [event.steering.model_dump(mode="json") for event in run.events if isinstance(event, Decided)]
    assert told == [record["steering"] for record in state["nodes"]]


async def test_static_uses_one_vector_and_dynamic_one_for_each_node(project, tmp_path):
    static = Run(project, tmp_path / "a", [READING, ANALYSIS, GOOD], variant="static")
    dynamic = Run(project, tmp_path / "b", [READING, ANALYSIS, GOOD], variant="dynamic")
    await static.go()
    await dynamic.go()
    assert static.vectors.asked == ["code_reading"] * 3
    assert dynamic.vectors.asked == ["code_reading", "bug_analysis", "patch_writing"]


async def test_without_rag_no_line_of_the_body_is_shown_but_the_patch_still_lands_in_a_real_file(
    project, tmp_path
):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD], rag=False)
    state = await run.go()
    assert not any("sum(values)" in asked.text for asked in run.model.asked)
    assert run.model.asked[-1].prefix.endswith('def mean(values):\n    """The arithmetic mean."""\n   ')
    assert state["check"]["files"] == ["abacus/calc.py"]


async def test_code_reading_never_sees_code_and_bug_analysis_sees_the_retrieved_definitions(
    project, tmp_path
):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD])
    await run.go()
    reading, analysis, _ = run.model.asked
    assert "def mean" not in reading.text
    assert "def mean" in analysis.text
    assert "mean([]) divides by zero" in analysis.text


async def test_a_small_context_holds_less_code_then_less_of_the_issue_and_always_the_task(
    project, tmp_path, monkeypatch
):
    monkeypatch.setattr(Model, "context_length", 220)
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD])
    long = PROBLEM + "\nIt is the mean of nothing that is meant. " * 40
    run.tools = replace(run.tools, task=replace(run.tools.task, problem_statement=long))
    await run.go()
    sizes = [len(each.prompt_ids) + each.sampling.max_new_tokens for each in run.engine.requests]
    assert max(sizes) <= 220
    last = [each.text for each in run.model.asked if "Where is the fault" in each.text]
    assert "def mean" in last[0] and "def mean" not in last[-1]
    assert last[-1].startswith("# Report\nmean") and "[…]" in last[-1] and "Answer in three" in last[-1]


async def test_every_token_is_told_while_the_run_goes_on(project, tmp_path, caplog):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD])
    await run.go()
    told = [(event.node, event.text) for event in run.events if isinstance(event, Tokens)]
    assert told == [("code_reading", READING), ("bug_analysis", ANALYSIS), ("patch_writing", GOOD)]
    assert not caplog.records


async def test_the_trajectory_says_which_worked_examples_were_shown(project, tmp_path):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD], few_shot=2)
    await run.go()
    shown = [example.place for example in nearest(PROBLEM, 2)]
    for node, attempt in (("code_reading", 0), ("bug_analysis", 0), ("patch_writing", 0)):
        written = kept(run, f"trajectory/{node}-{attempt}.json")
        assert written["examples_shown"] == shown
        assert len(written["messages"]) == 2 + 2 * len(shown)


async def test_the_trajectory_holds_prompt_answer_and_decision_of_every_model_node(project, tmp_path):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD])
    await run.go()
    for node in ("code_reading", "bug_analysis", "patch_writing"):
        written = json.loads(run.tools.artifacts.read(f"trajectory/{node}-0.json"))
        assert written["messages"]
        assert written["answers"][0]["text"]
        assert written["steering"]["reason"]


async def test_whatever_a_task_asks_of_the_engine_is_its_owners(project, tmp_path):
    run = Run(project, tmp_path, [READING, ANALYSIS, GOOD])
    run.tools = replace(run.tools, owner="ada")
    await run.go()
    assert {request.owner for request in run.engine.requests} == {"ada"}
