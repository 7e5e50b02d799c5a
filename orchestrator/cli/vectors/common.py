"""What several of the laboratory's commands share: the opened model, and a vector's facts in brief."""

from pathlib import Path
from typing import Any

from orchestrator.cli import options


def open_session(model: str | None, view: Any, folder: Path | None = None) -> Any:
    """A session whose progress goes to a view."""
    from orchestrator.session import Session

    return Session(options.settings(model=model, vectors=folder), progress=view.progress)


def vector_of(session: Any, name: str) -> Any:
    """A domain's vector, or one from a file; raises VectorFileError or PromptSetError."""
    if name.endswith(".safetensors"):
        return session.vectors.load(Path(name), session.model)
    return session.vectors.get(session.model, name, progress=session.progress)


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
