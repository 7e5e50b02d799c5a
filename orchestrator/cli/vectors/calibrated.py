"""What `vectors calibrate` shows a person: the grid, the verdicts, and what they rest on."""

import re
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from orchestrator.calibration.calibrating import Calibration
from orchestrator.cli.output import console
from vectors.calibration.certificates import Certificate
from vectors.calibration.false_rate import FalseRate


def print_calibration(calibration: Calibration) -> None:
    """What was found and what it cost."""
    if isinstance(calibration.found, FalseRate):
        _print_rate(calibration, calibration.found)
    else:
        _print_certificates(calibration, calibration.found)
    console().print(f"{calibration.forward_tokens:,} forward tokens, {calibration.seconds:.0f} s")


def _print_certificates(calibration: Calibration, certificates: Sequence[Certificate]) -> None:
    """The grid, and what was proposed and certified or not."""
    out = console()
    out.print(
        f"\n{_what(calibration)}: steered − unsteered on the proposal split, n = {calibration.proposal}\n"
    )
    table = Table("layer", "α / spread", "α", "effect", "95 % interval", box=None)
    for cell in certificates[0].tried:
        effect = cell.effect
        table.add_row(
            str(cell.layer), f"{cell.share:g}", f"{cell.alpha:.2f}",
            f"{effect.value:+.4f}", f"{effect.low:+.4f} to {effect.high:+.4f}",
        )  # fmt: skip
    out.print(table)
    for each in certificates:
        sign = "CERTIFIED" if each.certified else "not certified"
        out.print(f"\n{sign}: {each.steering} ({each.relative_alpha:g} of the spread): {each.reason}")
        for control in each.controls:
            out.print(
                f"  {control.value:+.4f} against {control.vectors} {control.kind} controls: "
                f"{control.mean:+.4f} ± {control.sd:.4f} (p = {control.p:.2g}, n = {control.n})"
            )
        if watched := each.degeneration:
            out.print(
                f"  greedy answers (n = {watched.n}): {watched.changed:.0%} changed, "
                f"{watched.steered:.0%} degenerate ({watched.unsteered:.0%} unsteered), "
                f"{watched.kl_bits:.3f} bits at the first token"
            )
    if not calibration.certified:
        out.print(f"\nnothing is certified for {calibration.domain}, {calibration.regime}", style="yellow")
    out.print(f"certificates: {calibration.file}", soft_wrap=True)


def _print_rate(calibration: Calibration, found: FalseRate) -> None:
    """How often labels that mean nothing were certified, and where the others failed."""
    out, rate = console(), found.rate
    certified = sum(each.certified for each in found.outcomes)
    out.print(
        f"\n{_what(calibration)}: "
        f"{certified} of {len(found.outcomes)} vectors from shuffled labels certified, {rate.value:.1%} "
        f"(95 % {rate.low:.1%} to {rate.high:.1%})"
    )
    kinds = Counter(re.sub(r"[-+]?\d[\d.e+-]*", "…", each.reason) for each in found.outcomes)
    for reason, count in kinds.most_common():
        out.print(f"  {count:4} × {reason}")


def _what(calibration: Calibration) -> str:
    return f"{calibration.domain}, {calibration.regime}, {calibration.metric} on {calibration.model}"
