"""lm-eval's `local-completions` and `local-chat-completions`; the caller compares samples with its engine's.

Both are used as they are; that a request is steered is one more field of its body.
"""

import json
import os
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENAI_API_KEY": "none"}

import lm_eval
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI
from lm_eval.tasks import TaskManager
from telling import MODEL, REST, STEERING, URL, tried

TASKS, TOKENIZER, SAMPLES = map(Path, REST)
SCORES, ANSWERS = "fifty_choices", "fifty_answers"


def steered(client):
    """The client with a steering in the body of each request."""

    class Steered(client):
        def _create_payload(self, *arguments, **named):
            return {**super()._create_payload(*arguments, **named), "steering": STEERING}

    return Steered


def evaluate(client, route, task, **given):
    """The samples of a task, by a client of lm-eval's: what was asked, and what was answered."""
    model = client(
        base_url=f"{URL}/v1/{route}", model=MODEL, num_concurrent=4, max_retries=1, seed=1, **given
    )
    found = lm_eval.simple_evaluate(
        model, tasks=[task], task_manager=TaskManager(include_path=str(TASKS)), log_samples=True,
        bootstrap_iters=0, apply_chat_template="chat" in route,
    )  # fmt: skip
    samples = [
        {"asked": asked, "answered": answered[0]}
        for sample in found["samples"][task]
        for asked, answered in zip(sample["arguments"], sample["resps"], strict=True)
    ]
    return sorted(samples, key=lambda sample: json.dumps(sample["asked"], default=str))


by_text = {"tokenizer_backend": "huggingface", "tokenizer": str(TOKENIZER)}
for name, given in (("", lambda client: client), (", steered", steered)):

    @tried(f"log-likelihoods of two continuations of each of 50 texts{name}")
    def _(name=name, given=given):
        found = evaluate(given(LocalCompletionsAPI), "completions", SCORES, **by_text)
        (SAMPLES / f"scores{name}.json").write_text(json.dumps(found))
        return len(found)

    @tried(f"50 texts gone on with{name}")
    def _(name=name, given=given):
        found = evaluate(given(LocalCompletionsAPI), "completions", ANSWERS, **by_text)
        (SAMPLES / f"texts{name}.json").write_text(json.dumps(found))
        return len(found)

    @tried(f"50 chats{name}")
    def _(name=name, given=given):
        found = evaluate(given(LocalChatCompletion), "chat/completions", ANSWERS)
        (SAMPLES / f"chats{name}.json").write_text(json.dumps(found))
        return len(found)
