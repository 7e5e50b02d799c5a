"""MMLU-Pro as tables: overall, by domain, and which letters are chosen."""

from collections.abc import Sequence

from orchestrator.lab.cells import evidence, shown
from orchestrator.reporting.tables import Table
from vectors.lab.evaluation.domains import FEW, Accuracy, Change, Overall, Position
from vectors.lab.evaluation.mmlu_pro import LETTERS
from vectors.statistics.estimates import Estimate

MEASURES = {
    "letter": "letter: the likeliest letter, options as they stand",
    "rotated": "rotated: the likeliest option over rotations, against a preference for letters",
    "written": "written: the letter that a written answer says, by lm-eval's filter",
}
_NOT_GENERATED = (
    "steering of generated tokens alone cannot change the choice of a letter, which is the first one"
)


def tables(
    notes: Sequence[str],
    accuracies: Sequence[Accuracy],
    changes: Sequence[Change],
    overall: Sequence[Overall],
    positions: Sequence[Position],
    pooled: Estimate | None,
    misleading: Estimate | None,
    measures: Sequence[str],
    measure: str,
) -> tuple[str, list[Table]]:
    """What must be known, and the tables; by domain there is one for `measure` alone."""
    text = [*notes, *(MEASURES[each] for each in measures)]
    text.append("intervals over all are over domains; by domain McNemar's exact test, Holm over the table")
    if positions:
        text.append(_NOT_GENERATED)
    if pooled:
        text.append(f"all steered conditions together − unsteered: {shown(pooled, '+.1%')}")
    if misleading:
        text.append(
            f"samples of {FEW} with the opposite sign of their domain's other questions: "
            f"{shown(misleading, '.0%')} of {misleading.n}"
        )
    text.append(evidence(*(each.right.n for each in accuracies if each.domain)))
    found = [_overall(accuracies, overall), _by_domain(accuracies, changes, measure)]
    if positions:
        found.append(_letters(positions))
    return "\n".join(text), found


def _overall(accuracies: Sequence[Accuracy], overall: Sequence[Overall]) -> Table:
    moved = {(each.measure, each.condition): each for each in overall}
    rows = []
    for each in accuracies:
        if not each.domain:
            change = moved.get((each.measure, each.condition))
            more = [shown(change.difference, "+.1%"), f"{change.p_holm:.3f}"] if change else ["", ""]
            rows.append([each.measure, each.condition.name, shown(each.right, ".1%"), *more])
    return Table(
        ["measure", "steered by", "all domains", "− unsteered", "p, Holm"], rows, caption="All domains"
    )


def _by_domain(accuracies: Sequence[Accuracy], changes: Sequence[Change], measure: str) -> Table:
    rows = []
    for each in accuracies:
        if each.domain and each.measure == measure:
            change = next(
                (
                    row
                    for row in changes
                    if (row.measure, row.domain, row.condition) == (measure, each.domain, each.condition)
                ),
                None,
            )
            more = ["", "", ""]
            if change:
                of = change.contrast
                more = [shown(of.difference, "+.1%"), f"{of.p_holm:.3f}", f"{change.few.value:+.0%}"]
            rows.append([each.domain, each.condition.name, shown(each.right, ".1%"), *more])
    rows.sort(key=lambda row: row[0])
    header = ["domain", "steered by", measure, "− unsteered", "p, Holm", f"first {FEW} alone"]
    return Table(header, rows, caption="By domain")


def _letters(positions: Sequence[Position]) -> Table:
    rows = [
        ["right", *(f"{positions[0].right[letter]:.0%}" for letter in LETTERS), ""],
        *(
            [
                each.condition.name,
                *(f"{each.chosen[letter]:.0%}" for letter in LETTERS),
                f"{each.distance:.0%}",
            ]
            for each in positions
        ),
    ]
    return Table(["letters chosen", *LETTERS, "on other letters"], rows, caption="Preference for letters")
