"""Trials for the calibration of vectors, made from tasks: the composition knows prompts and patches, the
laboratory only token ids.

Which answers are valid, by node: one that is told to name something names, in backticks, what occurs in its
report or in the code it was shown; one of patch_writing becomes a patch (it parses, and changes something).
"""

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import unidiff

from orchestrator.calibration.situations import WITH_PROMPTS, Situation, open_requests, situations
from orchestrator.errors import ConfigError
from orchestrator.plugins import load_instances
from orchestrator.policy.decisions import Regime
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from swebench.data.tasks import Instance
from swebench.patches.edits import EditRejected, apply_replacement
from vectors.calibration.trial import Trial
from vectors.engine.sampling import Sampling
from vectors.measuring.journal import Journal
from vectors.measuring.likelihood import answers
from vectors.measuring.metrics import Observation
from vectors.models.loading import LanguageModel
from vectors.models.turns import turns_of
from vectors.statistics.draws import drawn

_ANSWER_TOKENS = 64
_NAME = re.compile(r"`([^`\n]{1,200})`")


@dataclass(frozen=True)
class Size:
    """How much is measured: at most n observations to certify on and proposal_n to choose on; with none to
    choose on, as where there is one place to choose from, those to certify on serve for both.

    issue_tokens: what an issue is cut to. situations: only so many tasks, those with the shortest prompts.
    watched: situations on which greedy answers are watched for degeneration.
    """

    n: int = 200
    proposal_n: int = 42
    issue_tokens: int = RunConfig.model_fields["issue_tokens"].default
    situations: int | None = None
    watched: int = 16


CHEAP = Size(proposal_n=16, issue_tokens=48, situations=8, watched=4)
"""For many calibrations of one trial: short issues, few of them."""


def build_trial(
    session: Session,
    domain: str,
    regime: Regime,
    metric: str,
    size: Size,
    *,
    dataset: str = "bundled",
    texts: Path | None = None,
    seed: int = 0,
    journal: Journal | None = None,
) -> Trial:
    """The observations of a domain in a regime, from the tasks of a data set.

    Texts are put in front of the situations in turn, so that each situation has about as many. Generated
    answers are sampled, each with a seed of its own. What earlier nodes answer is kept in `journal`. Raises
    ConfigError, TextSetError, and whatever keeps a data set or a repository from being opened.
    """
    if domain in WITH_PROMPTS:
        found = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
        usable = [each for each in found.instances.values() if metric != "gold" or added_lines(each)]
        instances = drawn(usable, size.n + size.proposal_n, seed)
        there = situations(session, domain, regime, instances, size.issue_tokens, journal)
        digest = found.fingerprint
        if not there:
            lines = " and has a patch that adds lines" if metric == "gold" else ""
            raise ConfigError(f"no task gives this node a prompt{lines}: choose another --dataset")
    else:
        there = open_requests()
        digest = hashlib.sha256("\0".join(each.shown for each in there).encode()).hexdigest()
    lm = session.model
    there = sorted(there, key=lambda each: len(_prompt(lm, each, "")))[: size.situations]
    first, turns = size.proposal_n, [turns_of(lm.chat, each.prompt.messages) for each in there]
    if metric == "likelihood":
        heldout = session.vectors.domains.heldout(domain, texts)
        pairs = [*heldout.proposal[: size.proposal_n], *heldout.certification[: size.n]]
        digest, first = heldout.digest, min(first, len(heldout.proposal))
        prompts = [_prompt(lm, each, "") for each in there]
        observations = [
            Observation(number, prompt, *answers(lm, pair), turns=turns[number])
            for pair, (number, prompt) in zip(pairs, cycle(enumerate(prompts)), strict=False)
        ]
    elif metric == "gold":
        observations = gold_observations(lm, there)
        random.Random(seed).shuffle(observations)  # or the shortest issues would choose
        first = min(first, max(len(observations) - size.n, len(observations) // 8, 2))
    else:
        words = session.vectors.domains.load(domain).prompts.keywords
        observations = _answered(lm, domain, there, size.n + size.proposal_n, 0.7, seed, words)
    return Trial(
        regime=regime,
        metric=metric,
        proposal=tuple(observations[:first] or observations),
        certification=tuple(observations[first:]),
        answers=tuple(_answered(lm, domain, there, min(len(there), size.watched), 0.0, seed)),
        texts_sha256=digest,
        seed=seed,
    )


def gold_observations(lm: LanguageModel, there: Sequence[Situation]) -> list[Observation]:
    """The lines that each task's gold patch adds, after its prompt; of those whose patch adds any."""
    return [
        Observation(
            number, _prompt(lm, each, "```python\n"), text, turns=turns_of(lm.chat, each.prompt.messages)
        )
        for number, each in enumerate(there)
        if each.instance and (text := tuple(lm.encode(added_lines(each.instance), begins=False)))
    ]


def added_lines(instance: Instance) -> str:
    """The lines that an instance's gold patch adds to Python files."""
    return "".join(
        line.value
        for file in unidiff.PatchSet(instance.patch)
        if file.path.endswith(".py")
        for hunk in file
        for line in hunk
        if line.is_added
    )


def valid_answer(domain: str, situation: Situation) -> Callable[[str], bool]:
    """Whether an answer in a situation is of use, by the measure of its node."""
    target = situation.target
    if domain != "patch_writing" or target is None:

        def names_something_real(text: str) -> bool:
            return any(
                name.removesuffix("()") in situation.shown
                for name in _NAME.findall(situation.prompt.prefix + text)
            )

        return names_something_real
    opening = target.opening(situation.source)

    def becomes_a_patch(text: str) -> bool:
        written = opening[opening.rfind("\n") + 1 :] + text
        region = target.region
        try:
            return bool(apply_replacement(situation.source, region, written))
        except EditRejected:
            return False

    return becomes_a_patch


def _answered(
    lm: LanguageModel,
    domain: str,
    there: Sequence[Situation],
    n: int,
    temperature: float,
    seed: int,
    words: tuple[str, ...] = (),
) -> list[Observation]:
    """n observations of generated answers, situations in turn."""
    asked = [
        (_prompt(lm, each), each.stop, valid_answer(domain, each), turns_of(lm.chat, each.prompt.messages))
        for each in there
    ]
    return [
        Observation(
            situation=number,
            prompt_ids=prompt_ids,
            sampling=Sampling(_ANSWER_TOKENS, temperature, 0.95, seed=seed * 100_003 + index, stop=stop),
            valid=valid,
            keywords=words,
            turns=turns,
        )
        for index, (number, (prompt_ids, stop, valid, turns)) in enumerate(islice(cycle(enumerate(asked)), n))
    ]


def _prompt(lm: LanguageModel, situation: Situation, prefix: str | None = None) -> tuple[int, ...]:
    """The prompt's tokens, up to the beginning of the answer that the node forces, or another."""
    forced = situation.prompt.prefix if prefix is None else prefix
    return lm.chat_ids(list(situation.prompt.messages), prefix=forced)
