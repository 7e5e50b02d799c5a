"""What several of the laboratory's commands share: the opened model, and a vector's facts in brief."""

from pathlib import Path
from typing import Any

from orchestrator.cli import options


def bench(model: str | None, view: Any, folder: Path | None = None) -> Any:
    """A workbench whose progress goes to a view."""
    from orchestrator.workbench import Workbench

    return Workbench(options.settings(model=model), vectors=folder, progress=options.emit_progress(view.show))


def vector_of(workbench: Any, name: str) -> Any:
    """A domain's vector, or one from a file; raises VectorFileError or PromptSetError."""
    if name.endswith(".safetensors"):
        return workbench.vectors.load(Path(name), workbench.model)
    return workbench.vectors.get(workbench.model, name, progress=workbench.progress)


def summary(vector: Any) -> dict[str, Any]:
    """Where and how strongly a vector steers by default, and its hash."""
    steering = vector.steering()
    return {
        "domain": vector.domain,
        "layer": steering.layer,
        "alpha": round(steering.alpha, 4),
        "relative_alpha": round(vector.relative_alpha(steering), 4),
        "sha256": vector.sha256,
    }
