"""The prompts in front of which a domain is calibrated: what its node is really shown, task by task.

Earlier nodes answer unsteered, once for each task, so that a later node's prompt holds a finding as in a run.
test_reasoning has no node; it gets a message of the same form. code_reading is never shown retrieved code in
a run; here it is when asked for, since the variants static and dynamic steer with it beside code.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.policy.decisions import DOMAINS, Domain, Regime
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.fewshot import Example, nearest
from orchestrator.task.prompts import STOPS, SYSTEM, NodePrompt, Rewrite, node_prompt, trim_issue
from orchestrator.task.regions import Target, targets
from retrieval.context import build_context
from retrieval.errors import NotText
from swebench.data.tasks import Instance
from vectors.calibration.certificates import of_model
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.measuring.asking import answers as batched
from vectors.measuring.asking import units_of
from vectors.measuring.journal import Journal
from vectors.measuring.probes import load_probes
from vectors.steering.intervention import Steering

FEW_SHOT = 2
WITH_PROMPTS = (*DOMAINS, "test_reasoning")
"""The domains that are shown tasks; others are measured in front of open requests."""
_WITHOUT_TASKS = ("likelihood", "keywords", "degeneration")
_TEST_TASK = "Which tests would show that the report is right? Answer in two sentences."
_TEST_PREFIX = "A test has to call `"
_TEST_STOP = ("\n\n",)


@dataclass(frozen=True)
class Situation:
    """A node's prompt for one task, and the strings its answer ends at; `shown` is the issue and the code.

    `target` and the text of its file are what patch_writing is to rewrite, None for the others.
    """

    instance: Instance | None
    prompt: NodePrompt
    shown: str
    stop: tuple[str, ...]
    target: Target | None = None
    source: str = ""


@dataclass(frozen=True)
class _Found:
    """What retrieval found for a task: the code to show, and the region to rewrite with its file's text."""

    context: str = ""
    target: Target | None = None
    source: str = ""


def check_asked(domain: str, regime: Regime, metric: str, keywords: Sequence[str]) -> None:
    """Raise ConfigError for what a domain cannot be calibrated in or by."""
    if domain not in WITH_PROMPTS and (regime != "zero-shot" or metric not in _WITHOUT_TASKS):
        raise ConfigError(
            f"no node has the domain {domain}, so it is calibrated zero-shot in front of open requests, by "
            f"{', '.join(_WITHOUT_TASKS)}: leave out --regime {regime} and --metric {metric}, or "
            f"calibrate one of {', '.join(WITH_PROMPTS)}"
        )
    if metric == "keywords" and not keywords:
        raise ConfigError(f"{domain} has no keywords: give them in its file of prompts, or another --metric")


def open_requests() -> list[Situation]:
    """What a domain without a node is measured in front of: requests that any domain could answer."""
    return [
        Situation(None, NodePrompt(({"role": "user", "content": text},), ""), text, ())
        for text in load_probes()
    ]


def situations(
    session: Session,
    domain: str,
    regime: Regime,
    instances: Sequence[Instance],
    issue_tokens: int,
    journal: Journal | None = None,
) -> list[Situation]:
    """The domain's prompts in a regime, one for each task; a task without a region to rewrite has none for
    patch_writing. Issues are cut to `issue_tokens`; what earlier nodes answer is kept in `journal`.

    Raises ConfigError for test_reasoning with examples.
    """
    if domain == "test_reasoning" and regime == "few-shot":
        raise ConfigError("there are no worked examples of test_reasoning: leave out --regime few-shot")
    config = RunConfig(
        rag=regime == "rag", few_shot=FEW_SHOT if regime == "few-shot" else 0, issue_tokens=issue_tokens
    )
    shown = [nearest(each.task.problem_statement, config.few_shot) for each in instances]
    count = session.model.count_tokens
    issues = [trim_issue(each.task.problem_statement, issue_tokens, count) for each in instances]
    findings = [""] * len(issues)
    if domain in ("bug_analysis", "patch_writing"):
        reading = [
            node_prompt("code_reading", issue, examples=own) for issue, own in zip(issues, shown, strict=True)
        ]
        findings = answers(session, config, "code_reading", reading, journal=journal)
    found = [_Found()] * len(issues)
    if config.rag or domain == "patch_writing":
        found = [_look(session, config, instance) for instance in instances]
    if domain == "patch_writing":
        analysis = [
            node_prompt("bug_analysis", issue, context=each.context, finding=finding, examples=own)
            for issue, each, finding, own in zip(issues, found, findings, shown, strict=True)
        ]
        findings = answers(session, config, "bug_analysis", analysis, journal=journal)
    return [
        Situation(
            instance,
            _prompt(domain, config, issue, each, finding, own),
            f"{issue}\n{each.context}",
            next((stop for node, stop in STOPS.items() if node == domain), _TEST_STOP),
            each.target,
            each.source,
        )
        for instance, issue, each, finding, own in zip(instances, issues, found, findings, shown, strict=True)
        if domain != "patch_writing" or each.target
    ]


def _prompt(
    domain: str, config: RunConfig, issue: str, found: _Found, finding: str, shown: Sequence[Example]
) -> NodePrompt:
    if domain == "test_reasoning":
        sections = [f"# Report\n{issue}", f"# Code\n{found.context}".strip(), f"# Task\n{_TEST_TASK}"]
        user = "\n\n".join(each for each in sections if each != "# Code")
        messages = ({"role": "system", "content": SYSTEM}, {"role": "user", "content": user})
        return NodePrompt(messages, _TEST_PREFIX)
    rewrite = None
    if domain == "patch_writing" and found.target:
        region = "\n".join(found.target.shown(found.source)) if config.rag else ""
        rewrite = Rewrite(found.target.place, region, found.target.opening(found.source))
    (node,) = (each for each in DOMAINS if each == domain)
    return node_prompt(node, issue, context=found.context, finding=finding, rewrite=rewrite, examples=shown)


def _look(session: Session, config: RunConfig, instance: Instance) -> _Found:
    repository = session.store.open(instance.repo)
    commit = repository.resolve(instance.task.base_commit)
    found = session.retriever(repository).search(
        commit, instance.task.problem_statement, progress=session.progress
    )
    sources = {}
    for hit in found.hits:
        with suppress(NotText):  # it can be neither shown nor rewritten
            sources[hit.path] = repository.text(commit, hit.path)
    context = ""
    if config.rag:
        count = session.model.count_tokens
        context = build_context(found.hits, found.definitions, sources, config.context_tokens, count).text
    chosen = targets(found.definitions, sources, instance.task.problem_statement, config.region_lines)
    # As in a run: a line is reached through those before it, which only a prompt with code may show.
    target = next((each for each in chosen if config.rag or not each.is_line), None)
    return _Found(context, target, sources[target.path] if target else "")


def answers(
    session: Session,
    config: RunConfig,
    node: Domain,
    prompts: Sequence[NodePrompt],
    steering: Steering = (),
    journal: Journal | None = None,
) -> list[str]:
    """The node's greedy answers to many prompts in batches, cut as a later node sees them.

    A `journal` is begun with what is asked here, and holds unsteered answers only.
    """
    sampling = Sampling(config.answer_tokens, stop=STOPS[node])
    requests = [
        GenerationRequest(
            session.model.chat_ids(list(prompt.messages), prefix=prompt.prefix), steering, sampling
        )
        for prompt in prompts
    ]
    journal = journal or Journal()
    asked = [each.prompt_ids for each in requests]
    journal.begin([*of_model(session.model), repr(sampling), asked], units_of(len(requests)))
    written = batched(session.engine, requests, f"answers of {node}", journal, session.progress)
    return [
        (prompt.prefix + answer.text).strip()[: config.step_chars]
        for prompt, answer in zip(prompts, written, strict=True)
    ]
