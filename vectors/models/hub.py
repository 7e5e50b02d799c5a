"""Models of the Hugging Face hub: found in its cache without a network, else downloaded once."""

import io
from pathlib import Path
from typing import Any

from vectors.errors import ModelUnavailable
from vectors.models.checkpoints import missing_from
from vectors.progress import Progress

_WANTED = ["*.safetensors", "*.json", "*.jinja"]
_UNWANTED = ["*/*", "consolidated*"]  # other formats and duplicates of the same weights
_TIMEOUT_S = 10


def in_cache(repo_id: str) -> Path | None:
    """Return the newest complete snapshot in the hub's cache, or None. Asks no network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo_id, allow_patterns=_WANTED, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return None if missing_from(folder) else folder


def fetch(repo_id: str, progress: Progress) -> Path:
    """Return a snapshot's folder, from the hub's cache or else downloaded into it.

    HF_HUB_OFFLINE and the hub's other settings hold. Raises ModelUnavailable, naming the places tried.
    """
    found = in_cache(repo_id)
    if found is not None:
        return found
    from huggingface_hub import constants, snapshot_download

    try:
        folder = Path(
            snapshot_download(
                repo_id,
                allow_patterns=_WANTED,
                ignore_patterns=_UNWANTED,
                etag_timeout=_TIMEOUT_S,
                tqdm_class=_bar(f"downloading {repo_id}", progress),
            )
        )
    except Exception as error:  # whatever the client raises: the model cannot be had, and this says why
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelUnavailable(
            f"{repo_id} is neither in the hub cache ({constants.HF_HUB_CACHE}) nor to be had from the hub "
            f"({reason}); connect and pull it once, or name a model folder or a .gguf file instead"
        ) from error
    if missing := missing_from(folder):
        raise ModelUnavailable(
            f"{repo_id} lacks {', '.join(missing)}; choose a model with safetensors weights and a "
            "tokenizer.json, or name a model folder or a .gguf file instead"
        )
    return folder


def fetch_file(repo_id: str, name: str) -> Path:
    """Return one file of a repository, from the hub's cache or else downloaded into it.

    Raises ModelUnavailable.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    if isinstance(found := try_to_load_from_cache(repo_id, name), str):
        return Path(found)
    try:
        return Path(hf_hub_download(repo_id, name, etag_timeout=_TIMEOUT_S))
    except Exception as error:  # whatever the client raises: the file cannot be had, and this says why
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelUnavailable(
            f"{name} of {repo_id} is neither in the hub cache nor to be had from the hub ({reason}); connect "
            "once, or name a file instead"
        ) from error


def _bar(label: str, progress: Progress) -> type[Any]:
    """A progress bar class for the hub's client that reports bytes to `progress` and draws nothing."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # the client's own way to tell its bars apart
            super().__init__(*args, **kwargs | {"file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            if self.unit == "B" and self.total:
                progress(label, int(self.n), int(self.total))
            return shown

    return Bar
