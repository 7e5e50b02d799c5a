"""The steered engine as a model of lm-evaluation-harness: any of its tasks runs steered, in mixed batches.

A task is asked under all steerings at once: one model answers each request under every one of them in the
same batches, and `under` gives the harness a view of the answers of one. Importing this registers the model,
so that `lm_eval.simple_evaluate(model="orchestrate", model_args={"steering": "bug_analysis"})` works too. It
is the only module that knows lm-eval, an optional library (the extra `lab`).
"""

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self, cast

from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM, TemplateLM
from lm_eval.api.registry import get_model, register_model
from lm_eval.models.utils import has_bos_prefix, normalize_gen_kwargs
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from orchestrator.errors import ConfigError
from orchestrator.lab.answering import Answering, Prompt, Score, Scored
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.domains.names import Names
from vectors.domains.resolving import resolved
from vectors.engine.sampling import Sampling
from vectors.measuring.journal import Journal
from vectors.progress import silent
from vectors.steering.intervention import Steering
from vectors.steering.reading import terms_of

ANSWER_TOKENS = 256
"""Of an answer whose task says no limit: lm-eval's own."""
_SAMPLING = {"do_sample", "temperature", "top_p", "top_k", "repetition_penalty", "until", "max_gen_toks"}


@register_model("orchestrate")
class SteeredModel(TemplateLM):  # type: ignore[misc]
    """What lm-eval asks of a model, on one engine, under one of several steerings.

    `model_args` of lm-eval: `model`, `dtype`, and `steering`, one in the steering language. Contexts that are
    longer than the model's are cut from the left, as lm-eval's own models do.
    """

    def __init__(
        self, model: str = "smollm2-135m", steering: str = "", dtype: str = "auto", **_others: object
    ) -> None:
        settings = Settings.model_validate({"model": model, "dtype": dtype})
        session = Session(settings, progress=silent)
        names = Names(session.vectors, session.model, silent)
        self._open(session, [resolved(terms_of(steering or "none"), names)], Journal())

    @classmethod
    def of(cls, session: Session, steerings: Sequence[Steering], journal: Journal) -> Self:
        """A model on a session's engine that answers under the first of `steerings`; finished units are kept
        in `journal`, which has begun.
        """
        made = cls.__new__(cls)
        made._open(session, steerings, journal)
        return made

    def _open(self, session: Session, steerings: Sequence[Steering], journal: Journal) -> None:
        super().__init__()
        self._session, self._lm, self._index = session, session.model, 0
        self._answering = Answering(session, steerings, journal)
        self._texts: dict[tuple[str, str, int], list[str]] = {}
        self._scores: dict[Scored, list[Score]] = {}

    def under(self, index: int) -> Self:
        """The same model under another of its steerings; what one was asked is answered for all."""
        view = copy.copy(self)
        view._index = index
        return view

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return cast("int", self._lm.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text that begins with nothing."""
        begins = self._lm.tokenizer.bos_token_id
        return self.eot_token_id if begins is None else begins

    @property
    def max_length(self) -> int:
        """Tokens of context."""
        return self._lm.context_length

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval names its caches of requests after."""
        return self._lm.tokenizer_digest

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_others: object) -> list[int]:
        """Tokens, with a beginning-of-text token where the tokenizer puts one and none is there."""
        tokenizer = self._lm.tokenizer
        if add_special_tokens is None:
            add_special_tokens = not has_bos_prefix(string, tokenizer.special.get("bos_token"))
        return list(tokenizer.backend.encode(string, add_special_tokens=add_special_tokens).ids)

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """A conversation in the model's own format. Raises ConfigError for a model without one."""
        if not (template := self._lm.tokenizer.chat_template):
            raise ConfigError(f"{self._lm.name} has no chat template: run the task without one")
        from vectors.models.templates import render

        special = self._lm.tokenizer.special
        return render(template, chat_history, answer=add_generation_prompt, variables=special)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The template, which lm-eval keeps with its results."""
        return self._lm.tokenizer.chat_template if chat_template else None

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Answers, greedy or sampled as their tasks say. Raises ConfigError for options nobody knows."""
        del disable_tqdm
        seen: dict[tuple[str, str], int] = {}
        keys = []
        for request in requests:
            context, said = request.args
            same = (context, json.dumps(said, sort_keys=True))
            seen[same] = number = seen.get(same, -1) + 1
            keys.append((*same, number))
        missing = [key for key in keys if key not in self._texts]
        texts = self._answering.texts([self._prompt(*key) for key in missing])
        self._texts.update(zip(missing, texts, strict=True))
        return [self._texts[key][self._index] for key in keys]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihoods of whole texts, in nats; longer ones in windows of the model's context."""
        windows = [
            [
                make_disjoint_window(window)
                for window in get_rolling_token_windows(
                    token_list=self.tok_encode(request.args[0]),
                    prefix_token=self.prefix_token_id,
                    max_seq_len=self.max_length,
                    context_len=1,
                )
            ]
            for request in requests
        ]
        flat = [((None, None), *window) for own in windows for window in own]
        scores = iter(self._loglikelihood_tokens(flat, disable_tqdm=disable_tqdm))
        return [sum(next(scores)[0] for _ in own) for own in windows]

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[object, list[int], list[int]]], **_others: object
    ) -> list[Score]:
        """A score for each (texts, context, continuation)."""
        keys = [self._fitting(context, continuation) for _, context, continuation in requests]
        self._scores.update(self._answering.scores([key for key in keys if key not in self._scores]))
        return [self._scores[key][self._index] for key in keys]

    def _fitting(self, context: Sequence[int], continuation: Sequence[int]) -> Scored:
        if not 0 < len(continuation) <= self.max_length:
            raise ConfigError(
                f"{len(continuation)} tokens cannot be scored after others: expected 1 to {self.max_length}"
            )
        whole = (*context, *continuation)[-(self.max_length + 1) :]
        cut = len(whole) - len(continuation)
        return whole[:cut], whole[cut:]

    def _prompt(self, context: str, said: str, number: int) -> Prompt:
        options = normalize_gen_kwargs(json.loads(said), ANSWER_TOKENS)
        if unknown := sorted(options.keys() - _SAMPLING):
            raise ConfigError(f"a task asks for {', '.join(unknown)}, which the engine does not have")
        tokens = int(options["max_gen_toks"])
        if not 0 < tokens < self.max_length:
            raise ConfigError(f"a task asks for {tokens} tokens: expected 1 to {self.max_length - 1}")
        sampling = Sampling(
            tokens,
            temperature=float(options["temperature"]) if options["do_sample"] else 0.0,
            top_p=float(options.get("top_p", 1.0)),
            top_k=int(options.get("top_k", 0)),
            repetition_penalty=float(options.get("repetition_penalty", 1.0)),
            seed=number,
            stop=tuple(each for each in options["until"] if each),
        )
        return tuple(self.tok_encode(context)[-(self.max_length - tokens) :]), sampling


def peer(kind: str, arguments: Mapping[str, object]) -> LM:
    """One of lm-eval's own models, such as `hf`."""
    return cast("LM", get_model(kind)(**arguments))


@dataclass(frozen=True)
class Sample:
    """An item of a task as a model answered it: its number, and what each metric made of it, by name and
    filter such as `exact_match,strict-match`. `text` is what was written, or `scores` the options'
    log-likelihoods.
    """

    item: int
    metrics: Mapping[str, float]
    text: str = ""
    scores: tuple[float, ...] = ()


def evaluate(
    model: LM,
    tasks: Sequence[str],
    *,
    limit: int | None = None,
    shots: int | None = None,
    chat: bool = False,
    include: Path | None = None,
) -> dict[str, list[Sample]]:
    """Run lm-eval's tasks on a model, ours or one of its own; the samples of each task.

    `include` is a folder of task files. Raises ConfigError for a task that lm-eval does not know or whose
    data cannot be had.
    """
    try:
        found = simple_evaluate(
            model=model,
            tasks=list(tasks),
            num_fewshot=shots,
            limit=limit,
            apply_chat_template=chat,
            task_manager=_tasks(include),
            bootstrap_iters=0,
            log_samples=True,
        )
    except (ValueError, KeyError, FileNotFoundError, ConnectionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"lm-eval cannot run {', '.join(tasks)}: {reason}") from error
    return {task: _samples(rows) for task, rows in found["samples"].items()}


@cache
def _tasks(include: Path | None) -> TaskManager:
    """All tasks there are, of which lm-eval reads thousands of files."""
    return TaskManager(include_path=str(include) if include else None)


def _samples(rows: Iterable[Mapping[str, object]]) -> list[Sample]:
    """One sample an item; lm-eval lists an item once for each filter."""
    by_item: dict[int, Sample] = {}
    for row in rows:
        values = {
            f"{name},{row['filter']}": float(cast("float", row[name]))
            for name in cast("Sequence[str]", row["metrics"])
            if isinstance(row[name], bool | int | float)
        }
        item = cast("int", row["doc_id"])
        known = by_item.get(item) or _answered(item, cast("Sequence[Sequence[object]]", row["resps"]))
        by_item[item] = replace(known, metrics={**known.metrics, **values})
    return [sample for _, sample in sorted(by_item.items())]


def _answered(item: int, answers: Sequence[Sequence[object]]) -> Sample:
    """What a model said to an item: a text, a score and a flag for each option, or the score of a whole."""
    first = [each[0] for each in answers]
    if isinstance(first[0], str):
        return Sample(item, {}, text=first[0])
    scores = [each if isinstance(each, float) else cast("Score", each)[0] for each in first]
    return Sample(item, {}, scores=tuple(scores))
