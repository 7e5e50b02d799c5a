"""How runs are called, and so their folders: model, variant and what is not the default."""

import re
from pathlib import Path

from orchestrator.run_config import RunConfig


def run_name(model: str, config: RunConfig) -> str:
    """A run's name: model, variant and what is not the default."""
    parts = [model.rstrip("/").rsplit("/", 1)[-1], config.variant, "rag" if config.rag else "norag"]
    for name, value in config.model_dump(exclude={"variant", "rag"}, exclude_defaults=True).items():
        parts.append(name.replace("_", "-") + ("" if value is True else str(value)))
    return slug("-".join(parts))


def default_folder(dataset: str, model: str, config: RunConfig) -> Path:
    """The folder of a run of `solve` within that of all runs: data set, then the run's name."""
    return Path(slug(stem(dataset)), run_name(model, config))


def slug(name: str) -> str:
    """A name with only characters that every file system takes."""
    return re.sub(r"[^\w.-]+", "-", name).lower()


def stem(dataset: str) -> str:
    """A data set's name without folder and suffix."""
    return dataset.rsplit("/", 1)[-1].removesuffix(".jsonl").removesuffix(".json").removesuffix(".parquet")
