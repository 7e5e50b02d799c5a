"""Two tasks of 50 items for lm-eval, and the same items asked of the engine in this process."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.domains.heldout import load_heldout
from vectors.engine.requests import Generation, GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.models.loading import LanguageModel, pull

COUNT = 50
DOMAIN, ALPHA = "bug_analysis", 20.0
_SAMPLING = Sampling(24, stop=("\n\n",))
_SCORES = """
task: fifty_choices
dataset_path: json
dataset_kwargs: {{data_files: {{test: {items}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: begins
doc_to_choice: goes_on
doc_to_target: 0
target_delimiter: ""
metric_list: [{{metric: acc}}]
"""
_ANSWERS = """
task: fifty_answers
dataset_path: json
dataset_kwargs: {{data_files: {{test: {items}}}}}
test_split: test
output_type: generate_until
doc_to_text: begins
doc_to_target: begins
generation_kwargs: {{until: ["{stop}"], max_gen_toks: {tokens}, do_sample: false}}
metric_list: [{{metric: exact_match}}]
"""


def write_tasks(folder: Path) -> tuple[Path, Path, Path]:
    """Write the tasks; returns their folder, that of the model's tokenizer, and one for samples."""
    held = load_heldout(DOMAIN)
    texts = [pair.neutral for pair in (*held.proposal, *held.certification)][:COUNT]
    halves = [(text[: (at := text.rindex(" ", 0, len(text) // 2 + 1))], text[at:]) for text in texts]
    tasks, samples = folder / "tasks", folder / "samples"
    for each in (tasks, samples):
        each.mkdir()
    items = tasks / "items.jsonl"
    rows = [
        {"begins": begins, "goes_on": [goes_on, halves[(number + 1) % len(halves)][1]]}
        for number, (begins, goes_on) in enumerate(halves)
    ]
    items.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tasks / "choices.yaml").write_text(_SCORES.format(items=items))
    (tasks / "answers.yaml").write_text(
        _ANSWERS.format(items=items, stop=r"\n\n", tokens=_SAMPLING.max_new_tokens)
    )
    settings = Settings(dtype="float32")
    return tasks, pull(settings.model, cache=settings.cache), samples


def compared(samples: Path) -> Iterator[tuple[str, str, str]]:
    """What was compared, where it differs (nothing: nowhere), and how much was the same."""
    settings = Settings(dtype="float32")
    with Session(settings, progress=lambda *_: None) as session:
        vector = session.vectors.get(session.model, DOMAIN)
        for name, steering in (("", ()), (", steered", (vector.intervention(alpha=ALPHA),))):
            for kind, request_of, same in (
                ("scores", _score, _same_score), ("texts", _text, _same_text), ("chats", _chat, _same_text),
            ):  # fmt: skip
                path = samples / f"{kind}{name}.json"
                if not path.exists():
                    continue
                found = json.loads(path.read_text())
                tickets = [
                    session.engine.submit(
                        replace(request_of(session.model, each["asked"]), steering=steering)
                    )
                    for each in found
                ]
                apart = [
                    f"{each['asked'][0]!r} is {each['answered']!r}"
                    for each, ticket in zip(found, tickets, strict=True)
                    if not same(ticket.result(), each["answered"])
                ]
                yield (
                    f"{kind}{name}: the same as the engine's",
                    "; ".join(apart[:3]),
                    f"{len(found) - len(apart)} of {len(found)}",
                )


def _score(lm: LanguageModel, asked: list[str]) -> GenerationRequest:
    context, continuation = asked
    whole, begins = lm.tokenizer.encode(context + continuation), len(lm.tokenizer.encode(context))
    return scoring(whole[:begins], whole[begins:])


def _text(lm: LanguageModel, asked: list[str]) -> GenerationRequest:
    return GenerationRequest(tuple(lm.tokenizer.encode(asked[0])), sampling=_SAMPLING)


def _chat(lm: LanguageModel, asked: list[list[str]]) -> GenerationRequest:
    return GenerationRequest(lm.chat_ids(json.loads(asked[0][0])), sampling=_SAMPLING)


def _same_score(ours: Generation, theirs: list[float]) -> bool:
    """Equal but for rounding."""
    return math.isclose(sum(ours.logprobs), theirs[0], abs_tol=1e-3)


def _same_text(ours: Generation, theirs: str) -> bool:
    return ours.text == theirs
