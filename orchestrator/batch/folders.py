"""Where a batch is written, and in which precision it is computed."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.run_config import RunConfig
from orchestrator.settings import Settings
from orchestrator.task.run_names import run_name, slug, stem


def exactness(settings: Settings) -> tuple[Settings, str]:
    """The settings of a batch, and a warning, if there is one.

    In bfloat16 a task's result depends on what shares its batches, so what is not chosen becomes float32.
    """
    if settings.dtype == "auto":
        return settings.model_copy(update={"dtype": "float32"}), ""
    if settings.dtype in ("float32", "int8"):
        return settings, ""
    return settings, (
        f"dtype {settings.dtype}: predictions may depend on what shares a batch, and so on --workers and on "
        "interruptions; in float32 and int8 they do not"
    )


def folders_of(
    out: Path | None, settings: Settings, dataset: str, configs: Sequence[RunConfig]
) -> tuple[Path, list[Path]]:
    """The batch's folder and that of each run: below it, or for a single run of a named folder itself.

    Raises ConfigError for a folder that holds a single run where several are to be written, or the reverse.
    """
    if out is None:
        out = settings.runs / "evaluate" / slug(stem(dataset))
    elif len(configs) == 1:
        if not (out / "manifest.json").is_file() and any(out.glob("*/manifest.json")):
            raise ConfigError(f"{out} holds several runs: name one of its folders, or choose another --out")
        return out, [out]
    elif (out / "manifest.json").is_file():
        raise ConfigError(f"{out} holds one run, and this batch has {len(configs)}: choose another --out")
    return out, [out / run_name(settings.model, config) for config in configs]
