"""A small project under git, a tiny random model in a folder, and a scripted double of the engine.

The double is for speed only: the same graph runs with the real embedded model in test_solve_real.py.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from vectors.engine.requests import Generation, GenerationRequest

CALC = '''"""Averages."""


def mean(values):
    """The arithmetic mean."""
    total = sum(values)
    return total / len(values)


def spread(values):
    """Largest minus smallest."""
    return max(values) - min(values)
'''

TEXT = '''"""Words."""


def shorten(text, width):
    """At most width characters."""
    if len(text) > width:
        return text[:width]
    return text
'''

PROBLEM = (
    "mean() of an empty list fails\n\n>>> mean([])\nZeroDivisionError: division by zero\n\nI expected 0."
)


def git(folder: Path, *arguments: str) -> str:
    command = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.org",
        *arguments,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path):
    """A checkout named `abacus` with two commits and two modules."""
    folder = tmp_path / "abacus"
    (folder / "abacus").mkdir(parents=True)
    (folder / "abacus" / "calc.py").write_text(CALC)
    (folder / "abacus" / "__init__.py").write_text("")
    git(folder.parent, "init", "-q", "-b", "main", str(folder))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Averages")
    (folder / "abacus" / "text.py").write_text(TEXT)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Words")
    return folder


@pytest.fixture
def problem(tmp_path):
    path = tmp_path / "problem.txt"
    path.write_text(PROBLEM)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A folder with a random Llama over single bytes: it runs everything and has nothing to say."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama")


def make_tiny_model(folder: Path) -> Path:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|im_start|>", "<|im_end|>"]
    vocab = {token: index for index, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    wrapped.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    wrapped.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=16384,
        eos_token_id=vocab["<|im_end|>"],
        pad_token_id=vocab["<|im_end|>"],
        bos_token_id=None,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # it ends an answer after a few tokens, and a rewrite soon parses or is refused
        model.lm_head.weight[vocab["<|im_end|>"]] *= 4
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


_STOPPING = """
import os, re, signal, sys
said = sys.argv.pop(1)
class Watched:
    line = ""
    def __getattr__(self, name):
        return getattr(sys.__stderr__, name)
    def write(self, text):
        sys.__stderr__.write(text)
        self.line += text
        if "\\n" in self.line and re.search(said, self.line):
            sys.__stderr__.flush()
            sys.stderr = sys.__stderr__
            os.kill(os.getpid(), signal.SIGSTOP)
        self.line = self.line.rpartition("\\n")[2]
        return len(text)
sys.stderr = Watched()
from orchestrator.cli import main
main()
"""


def ended_at(arguments: Sequence[str], said: str, how: signal.Signals, env=None) -> tuple[int, str, str]:
    """Signal a command that has printed a line which matches `said`; its code, stdout, and what follows.

    The command stops itself there, so that it is no further, however late the signal comes.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _STOPPING, said, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
    )
    before = ""
    for printed in process.stderr:
        before += printed
        if re.search(said, printed):
            break
    else:
        pytest.fail(f"it ended without a line like {said!r}:\n{before}")
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    out, rest = process.communicate()
    return process.returncode, out, rest


class ScriptedEngine:
    """Answers requests with texts in the order they are submitted, and keeps the requests.

    Where a text is only to be scored, every token is as likely as any other.
    """

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.requests: list[GenerationRequest] = []

    def submit_all(self, requests: Sequence[GenerationRequest]) -> "list[asyncio.Future[Generation]]":
        return [self._answer(request) for request in requests]

    def _answer(self, request: GenerationRequest) -> "asyncio.Future[Generation]":
        self.requests.append(request)
        scored = request.sampling.forced_ids if request.sampling.logprobs else ()
        only_scored = 0 < len(scored) == request.sampling.max_new_tokens
        text = "" if only_scored else self.answers.pop(0)
        if request.on_token:
            # The engine calls from a thread of its own.
            thread = threading.Thread(target=request.on_token, args=(text,))
            thread.start()
            thread.join()
        future: asyncio.Future[Generation] = asyncio.get_running_loop().create_future()
        future.set_result(
            Generation(
                text=text,
                token_ids=(1,),
                finish_reason="stop",
                prompt_tokens=len(request.prompt_ids),
                new_tokens=1,
                seconds=0.0,
                logprobs=(-1.0,) * max(len(scored), 1) if request.sampling.logprobs else (),
                alternatives={number: (-1.0,) * len(ids) for number, ids in request.alternatives.items()},
            )
        )
        return future
