"""What a model's folder says of it before it is loaded, so that what cannot fit is refused at once."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vectors.models.loading import pull
from vectors.progress import Progress, silent

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Outline:
    """A model on this machine; `n_layers` and `context_length` are None where its config does not say."""

    folder: Path
    n_layers: int | None
    context_length: int | None

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    def count_tokens(self, text: str) -> int:
        """Count the tokens of `text` without loading the model."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def outline(name: str, *, cache: Path, progress: Progress = silent) -> Outline:
    """Find or fetch a model and read its outline. Raises ModelUnavailable."""
    folder = pull(name, cache=cache, progress=progress)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return Outline(folder, _number(config, "num_hidden_layers"), _number(config, "max_position_embeddings"))


def _number(config: dict[str, Any], name: str) -> int | None:
    # Models of text and pictures keep what is the text's in a table of its own.
    found = config.get(name, config.get("text_config", {}).get(name))
    return found if isinstance(found, int) else None
