"""/v1/arena/laboratory: finished experiments of the server's folder: tables, figures, claims and items."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel

from orchestrator.errors import ConfigError
from orchestrator.lab.claims import Finding
from orchestrator.lab.folder import MANIFEST, SHOWN
from orchestrator.lab.items import Item, read_items
from orchestrator.lab.overview import ClaimRow, Experiment, answered, experiments_below, read_experiment
from orchestrator.reporting.tables import Section
from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.errors import NotFound
from services.serving.runtime import Runtime

router = APIRouter(prefix="/v1/arena/laboratory", tags=["arena"])
_ERRORS = (401, 403, 429)
_FIGURE_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""A figure is a file of the folder: whatever it holds, nothing in it runs."""


class LabRun(BaseModel):
    """An experiment: its folder, what it is, and on which models. `error` says why it cannot be shown."""

    id: str
    folder: str
    experiment: str = ""
    title: str = ""
    models: list[str] = []
    error: str | None = None


class LabRuns(BaseModel):
    """All experiments by folder, and what they say together to the original's claims."""

    object: Literal["list"] = "list"
    data: list[LabRun]
    claims: list[ClaimRow]


class LabRunAnswer(LabRun):
    """An experiment with its tables, its answers to claims, and how many of its items can be looked at."""

    section: Section
    findings: list[Finding]
    items: int


class LabItems(BaseModel):
    """Some of an experiment's items, in its order, and how many there are."""

    object: Literal["list"] = "list"
    data: list[Item]
    total: int


@router.get("", responses=documented(*_ERRORS))
def list_lab_runs(runtime: RuntimeOf, owner: Owner) -> LabRuns:
    """The experiments of the server's folder that are finished; everybody with a key may see them."""
    del owner
    runs, experiments = [], []
    for run, folder in _folders(runtime).items():
        name = _name(runtime, folder)
        try:
            experiment = read_experiment(folder)
        except ConfigError as error:
            runs.append(LabRun(id=run, folder=name, error=str(error).replace(str(folder), name)))
            continue
        experiments.append(experiment.model_copy(update={"folder": name}))
        runs.append(_summary(run, name, experiment))
    return LabRuns(data=runs, claims=answered(experiments))


@router.get("/{run}", responses=documented(*_ERRORS, 404, 422))
def get_lab_run(run: str, runtime: RuntimeOf, owner: Owner) -> LabRunAnswer:
    """An experiment's tables and findings."""
    del owner
    folder = _folder(runtime, run)
    experiment = _readable(runtime, folder)
    return LabRunAnswer(
        **_summary(run, _name(runtime, folder), experiment).model_dump(),
        section=experiment.shown.section,
        findings=list(experiment.shown.findings),
        items=_items(runtime, folder, 0, 0).total,
    )


@router.get(
    "/{run}/figures/{figure}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/svg+xml": {}, "image/png": {}}, "description": "The figure."},
        **documented(*_ERRORS, 404, 422),
    },
)
def get_lab_figure(
    run: str, figure: Literal["figure.svg", "figure.png"], runtime: RuntimeOf, owner: Owner
) -> FileResponse:
    """An experiment's figure."""
    del owner
    file = _folder(runtime, run) / figure
    if not file.is_file() or file.is_symlink():
        raise NotFound(f"this experiment has no {figure}")
    return FileResponse(file, headers=_FIGURE_POLICY)


@router.get("/{run}/items", responses=documented(*_ERRORS, 404, 422))
def list_lab_items(
    run: str,
    runtime: RuntimeOf,
    owner: Owner,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> LabItems:
    """What an experiment asked and was answered, item by item."""
    del owner
    return _items(runtime, _folder(runtime, run), offset, limit)


def _folders(runtime: Runtime) -> dict[str, Path]:
    """Finished experiments by their addresses, which are made from names and lead nowhere else."""
    root = runtime.settings.lab_runs.resolve()
    found = [
        folder
        for folder in experiments_below(root)
        if (folder / SHOWN).is_file() and (folder / MANIFEST).resolve().is_relative_to(root)
    ]
    return {
        hashlib.sha256(str(folder.relative_to(root)).encode()).hexdigest()[:16]: folder for folder in found
    }


def _folder(runtime: Runtime, run: str) -> Path:
    folder = _folders(runtime).get(run)
    if folder is None:
        raise NotFound("there is no such experiment: GET /v1/arena/laboratory lists them")
    return folder


def _name(runtime: Runtime, folder: Path) -> str:
    return folder.relative_to(runtime.settings.lab_runs.resolve()).as_posix()


def _readable(runtime: Runtime, folder: Path) -> Experiment:
    try:
        return read_experiment(folder)
    except ConfigError as error:
        raise NotFound(str(error).replace(str(folder), _name(runtime, folder))) from error


def _items(runtime: Runtime, folder: Path, offset: int, limit: int) -> LabItems:
    try:
        found, total = read_items(folder, offset, limit)
    except ConfigError as error:
        raise NotFound(str(error).replace(str(folder), _name(runtime, folder))) from error
    return LabItems(data=found, total=total)


def _summary(run: str, name: str, experiment: Experiment) -> LabRun:
    return LabRun(
        id=run,
        folder=name,
        experiment=experiment.name,
        title=experiment.shown.section.title,
        models=list(experiment.models),
    )
