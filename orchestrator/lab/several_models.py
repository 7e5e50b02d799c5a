"""Experiments on several models, which are loaded one after another."""

from collections.abc import Sequence

from orchestrator.policy.decisions import Record
from orchestrator.settings import Settings
from vectors.errors import UnfitAnalysis
from vectors.models.loading import check, identify
from vectors.progress import Progress

MOST = 4


class ModelSummary(Record):
    """Which model an experiment was on, as a manifest has it."""

    model: str
    model_revision: str
    model_digest: str
    dtype: str


def check_models(names: Sequence[str]) -> None:
    """Raise UnfitAnalysis for one model, too many or one twice, ModelUnavailable for an unknown one."""
    if len(names) < 2:
        raise UnfitAnalysis(
            f"{len(names)} model was named: two at least are compared, as --model A --model B"
        )
    if len(names) > MOST:
        raise UnfitAnalysis(f"{len(names)} models were named: a picture holds {MOST}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UnfitAnalysis(f"{twice} was named twice: name each model once")
    for name in names:
        check(name)


def short(model_id: str) -> str:
    """A hub id without its owner."""
    return model_id.rpartition("/")[2]


def summaries(settings: Settings, names: Sequence[str], progress: Progress) -> tuple[ModelSummary, ...]:
    """What identifies models, fetched if need be, without loading any.

    Raises ModelUnavailable, and UnfitAnalysis where two names are of one model.
    """
    found = []
    for name in names:
        one = identify(name, cache=settings.cache, dtype=settings.dtype, progress=progress)
        found.append(
            ModelSummary(
                model=one.model_id, model_revision=one.revision, model_digest=one.digest, dtype=one.dtype
            )
        )
    called = [short(each.model) for each in found]
    if len({each.model_digest for each in found}) < len(found) or len(set(called)) < len(called):
        raise UnfitAnalysis(f"two of {', '.join(names)} are one model, or called alike: name others")
    return tuple(found)
