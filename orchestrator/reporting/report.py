"""The whole report as one document: what report.json holds and the other forms are made from."""

from collections.abc import Mapping, Sequence
from typing import cast

from orchestrator.records import Graded
from orchestrator.reporting.comparison import compare, manifest_differences
from orchestrator.reporting.document import Report, RunReport
from orchestrator.reporting.measures import Base, Measured, measure
from orchestrator.reporting.original import published
from orchestrator.reporting.run_summary import official, summarise, uncertified
from orchestrator.reporting.runs import Run
from orchestrator.session import Session
from orchestrator.task.planted import ready
from retrieval.errors import RetrievalError
from swebench.data.loading import InstanceSet
from swebench.errors import SwebenchError
from vectors.progress import Progress

REPORT_VERSION = 1
_SIX = [(variant, rag) for rag in (True, False) for variant in ("baseline", "static", "dynamic")]


def make_report(
    session: Session,
    runs: Sequence[Run],
    verdicts: Mapping[str, Mapping[str, Graded]],
    found: InstanceSet,
    progress: Progress,
) -> Report:
    """Measure the runs against the data set.

    The fields of the official harness are at the top for the first run, and in `runs` for each. Instances
    whose repository or row cannot be had are in `not_measured` with the reason, and in no rate.
    """
    asked = sorted({name for run in runs for name in run.instance_ids})
    measured: dict[str, list[Measured]] = {run.name: [] for run in runs}
    not_measured: dict[str, str] = {}
    for number, name in enumerate(asked):
        progress(f"measuring {name}", number, len(asked))
        try:
            instance = ready(session, found.get(name))
            base = Base(instance, session.store.open(instance.repo))
            for run in runs:
                if name in run.instance_ids:
                    measured[run.name].append(measure(base, run, verdicts[run.name].get(name)))
        except (RetrievalError, SwebenchError) as error:
            not_measured[name] = str(error.args[0])
    progress("measuring", len(asked), len(asked))
    by_run: dict[str, RunReport] = {}
    for run in runs:
        judged = verdicts[run.name]
        own = summarise(run, measured[run.name], uncertified(judged))
        by_run[run.name] = cast(RunReport, official(run, judged, asked) | own)
    ours: Report = {
        "of_run": runs[0].name,
        "report_version": REPORT_VERSION,
        "dataset": {"name": found.name, "sha256": found.fingerprint},
        "made_with_other_rows": sorted(
            run.name for run in runs if run.determinants.get("dataset_sha256") != found.fingerprint
        ),
        "not_measured": not_measured,
        "runs": by_run,
        "comparisons": compare(measured),
        "original_variants": [
            {
                "variant": variant,
                "rag": rag,
                "published": published(variant, rag),
                "runs": _same(runs, variant, rag),
            }
            for variant, rag in _SIX
        ],
        "manifests": manifest_differences(runs),
    }
    return cast(Report, official(runs[0], verdicts[runs[0].name], asked) | ours)


def _same(runs: Sequence[Run], variant: str, rag: bool) -> list[str]:
    return [run.name for run in runs if run.variant == variant and run.rag == rag]
