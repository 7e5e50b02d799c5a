"""Learns what a likely repair looks like from the history of repositories, and writes `weights.json`.

    python -m orchestrator.repair.training.learning FOLDER... --out weights.json

Each folder is a git repository, or OWNER__NAME.git@DATE to leave out what came later. Nothing that a task
knows may be in there: repositories that no task is about, or a date before the first task's commit.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from orchestrator.repair.features import NAMES, Issue
from orchestrator.repair.ranking import Suspect, filled
from orchestrator.repair.suspects import parsed_with, whole
from orchestrator.repair.training.mining import MinedRepair, mined_repairs
from orchestrator.settings import Settings
from retrieval.definition_hits import DefinitionHit
from retrieval.definitions import find_definitions
from retrieval.store import RepoStore
from swebench.catalogue import Code
from swebench.patches.source import same_code
from vectors.engine.engine import Engine
from vectors.models.loading import LanguageModel, load_model

MOST_MINED = 400
"""Repairs of one repository, so that none outweighs the others."""
_MOST_CHARACTERS = 150_000  # of a file: what takes too long says no more
_NEAR = 8  # lines between where an edit begins and the first line that differs
_L2 = 0.003
_FOLDS = 5
_SET = {"line_quoted": 2.0, "line_traced": 1.0}
"""Weights that commits cannot teach: their messages quote little and hold no tracebacks. Of the lines that
203 real issues quote of the files that their patches change, 26 of 98 are changed themselves, and 3 of 29 in
a traceback; of heads of definitions 4 of 72, of raise statements 0 of 5.
"""
_SET_KINDS = {"shown": 1.0, "shown function": 4.0, "shown method": 5.0, "removal": -1.0}
"""Kinds of which commits teach nothing, or something else. In the files that 203 real patches change, 6 of 8
functions, 1 of 29 statements and the methods of 2 of 4 issues that show some are where the patch is; and of
90 real patches of at most three lines one only removes, of 494 mined ones 58.
"""
_SHIFTS = {"in_raise": -1.2, "in_expression": -1.0, "in_return": 0.6}
"""Added to weights: ln of how much more often real patches of at most three lines begin in such a statement
(of 80: none in a raise statement, 5 in a bare expression, 15 in a return) than mined ones (3.8, 19 and 10 %).
"""
_SCREENING: dict[str, Any] = {"features": dict.fromkeys(NAMES, 0.0), "kinds": {}, "likelihood": [0.0, 0.0]}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A mined repair that the catalogue reaches.

    `features` is [n_edits, n_features], `model_features` what the model says, [n_edits, 2]; `gold` are the
    edits that make the file what it became.
    """

    repository: str
    features: Floats
    model_features: Floats
    kinds: tuple[str, ...]
    gold: tuple[int, ...]


def samples(
    name: str, repairs: Iterator[MinedRepair], model: LanguageModel, engine: Engine
) -> Iterator[Sample]:
    """Those of a repository's repairs that are one edit of the catalogue, scored by the model."""
    for repair in repairs:
        code = parsed_with(repair.before, repair.issue) if len(repair.before) <= _MOST_CHARACTERS else None
        if code is None or same_code(repair.before, repair.after):
            continue
        suspect = Suspect(0.0, _hit(repair, code), code, Issue(repair.issue), _SCREENING, most=None)
        gold = [
            number
            for number, edit in enumerate(suspect.edits)
            if abs(code.line_of(edit.start) - repair.line) <= _NEAR
            and _bare(edit.apply(repair.before)) == _bare(repair.after)
        ]
        if gold:
            requests = suspect.requests(model.encode)
            answers = [ticket.result() for ticket in engine.submit_all(requests)]
            said = suspect.model_features(requests, answers)
            kinds = tuple(edit.kind for edit in suspect.edits)
            yield Sample(name, suspect.features, said, kinds, tuple(gold))


def _bare(source: str) -> str:
    return "".join(source.split())


def _hit(repair: MinedRepair, code: Code) -> DefinitionHit:
    holding = [d for d in find_definitions(code.source) if repair.line in d]
    if not holding:
        return whole(DefinitionHit.of_module(repair.path, 0.0), code)
    return DefinitionHit.of(holding[-1], repair.path, 0.0)


def fit(found: Sequence[Sample]) -> dict[str, Any]:
    """The softmax regression of the edit made on all edits of its place, L2-penalised, as `weights.json`."""
    kinds = sorted({kind for sample in found for kind in sample.kinds})
    inputs = [_inputs(sample, kinds) for sample in found]

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, gradient = 0.0, np.zeros_like(weights)
        for matrix, sample in zip(inputs, found, strict=True):
            scores = matrix @ weights
            whole_mass, gold_mass = logsumexp(scores), logsumexp(scores[list(sample.gold)])
            value += whole_mass - gold_mass
            gradient += matrix.T @ np.exp(scores - whole_mass)
            gradient -= matrix[list(sample.gold)].T @ np.exp(scores[list(sample.gold)] - gold_mass)
        penalty = _L2 * weights
        return value / len(found) + float(weights @ penalty), gradient / len(found) + 2 * penalty

    start = np.zeros(len(NAMES) + 2 + len(kinds))
    weights = [round(float(weight), 3) for weight in minimize(loss, start, jac=True, method="L-BFGS-B").x]
    return {
        "learned_from": f"{len(found)} repairs in the histories of {_repositories(found)}",
        "features": dict(zip(NAMES, weights, strict=False)),
        "likelihood": weights[len(NAMES) : len(NAMES) + 2],
        "kinds": dict(zip(kinds, weights[len(NAMES) + 2 :], strict=True)),
    }


def ranks(found: Sequence[Sample], weights: dict[str, Any]) -> list[int]:
    """The rank of each sample's gold edit among the edits of its place, from 1."""
    kinds = list(weights["kinds"])
    vector = np.array([*weights["features"].values(), *weights["likelihood"], *weights["kinds"].values()])
    every = [_inputs(sample, kinds) @ vector for sample in found]
    return [
        1 + int((scores > scores[list(sample.gold)].max()).sum())
        for scores, sample in zip(every, found, strict=True)
    ]


def cross_validated(found: Sequence[Sample]) -> list[int]:
    """The ranks by weights that have seen nothing of the sample's repository."""
    names = sorted({sample.repository for sample in found})
    fold = {name: number % _FOLDS for number, name in enumerate(names)}
    answer: list[int] = []
    for number in range(_FOLDS):
        known = [sample for sample in found if fold[sample.repository] != number]
        asked = [sample for sample in found if fold[sample.repository] == number]
        if known and asked:
            answer += ranks(asked, fit(known))
    return answer


def _inputs(sample: Sample, kinds: Sequence[str]) -> Floats:
    chosen = np.array([[kind == each for each in kinds] for kind in sample.kinds], dtype=np.float64)
    return np.hstack([sample.features, filled(sample.model_features), chosen])


def _repositories(found: Sequence[Sample]) -> str:
    return ", ".join(sorted({sample.repository for sample in found}))


@click.command()
@click.argument("folders", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(folders: tuple[str, ...], out: Path) -> None:
    """Learn from the repositories in FOLDERS, each a path or PATH@DATE."""
    for folder in folders:
        if not Path(folder.partition("@")[0]).is_dir():
            raise click.UsageError(f"{folder} is no folder: name git repositories as PATH or PATH@DATE")
    settings = Settings()
    model = load_model(settings.model, cache=settings.cache)
    found: list[Sample] = []
    with Engine(model.model, model.tokenizer) as engine:
        for folder in folders:
            path, _, date = folder.partition("@")
            name = Path(path).name.removesuffix(".git") or Path(path).parent.name
            mined = mined_repairs(RepoStore.local(Path(path)).git, date, MOST_MINED)
            found += samples(name, mined, model, engine)
            click.echo(f"{name}: {len(found)} repairs so far", err=True)
    if not found:
        raise click.ClickException(
            "no repair that the catalogue reaches: name repositories with more history"
        )
    by_rank = np.array(cross_validated(found))
    if len(by_rank):
        shares = ", ".join(f"@{k} {np.mean(by_rank <= k):.0%}" for k in (1, 10, 100))
        click.echo(f"other repositories' repairs, in the right place: {shares} (n = {len(by_rank)})")
    weights = fit(found)
    weights["features"] |= _SET
    for name, shift in _SHIFTS.items():
        weights["features"][name] = round(weights["features"][name] + shift, 3)
    weights["kinds"] |= _SET_KINDS
    out.write_text(json.dumps(weights, indent=2) + "\n")


if __name__ == "__main__":
    main()
