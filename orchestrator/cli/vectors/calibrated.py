"""What `vectors calibrate` shows a person: the grid, the verdicts, and what they rest on."""

import re
from collections import Counter
from typing import Any

from rich.table import Table

from orchestrator.cli.output import console


def print_calibration(report: dict[str, Any]) -> None:
    """The grid, what was proposed and certified or not, and what it cost."""
    out = console()
    certificates = report["certificates"]
    out.print(
        f"\n{report['domain']}, {report['regime']}, {report['metric']} on {report['model']}: "
        f"steered − unsteered on the proposal split, n = {report['n']['proposal']}\n"
    )
    table = Table("layer", "α / residual", "α", "effect", "95 % interval", box=None)
    for cell in certificates[0]["tried"]:
        effect = cell["effect"]
        table.add_row(
            str(cell["layer"]), f"{cell['share']:g}", f"{cell['alpha']:.2f}",
            f"{effect['value']:+.4f}", f"{effect['low']:+.4f} to {effect['high']:+.4f}",
        )  # fmt: skip
    out.print(table)
    for each in certificates:
        sign = "CERTIFIED" if each["certified"] else "not certified"
        out.print(
            f"\n{sign}: layer {each['layer']}, α {each['alpha']:.2f} ({each['relative_alpha']:g} of the "
            f"residual): {each['reason']}"
        )
        for control in each["controls"]:
            out.print(
                f"  {control['value']:+.4f} against {control['vectors']} {control['kind']} controls: "
                f"{control['mean']:+.4f} ± {control['sd']:.4f} (p = {control['p']:.2g}, n = {control['n']})"
            )
        if watched := each["degeneration"]:
            out.print(
                f"  greedy answers (n = {watched['n']}): {watched['changed']:.0%} changed, "
                f"{watched['steered']:.0%} degenerate ({watched['unsteered']:.0%} unsteered), "
                f"{watched['kl_bits']:.3f} bits at the first token"
            )
    if not report["certified"]:
        out.print(f"\nnothing is certified for {report['domain']}, {report['regime']}", style="yellow")
    out.print(f"certificates: {report['file']}", soft_wrap=True)
    out.print(f"{report['forward_tokens']:,} forward tokens, {report['seconds']:.0f} s")


def print_rate(report: dict[str, Any]) -> None:
    """How often labels that mean nothing were certified, and where the others failed."""
    out, rate = console(), report["rate"]
    certified = sum(each["certified"] for each in report["outcomes"])
    out.print(
        f"\n{report['domain']}, {report['regime']}, {report['metric']} on {report['model']}: "
        f"{certified} of {report['runs']} vectors from shuffled labels certified, {rate['value']:.1%} "
        f"(95 % {rate['low']:.1%} to {rate['high']:.1%})"
    )
    kinds = Counter(re.sub(r"[-+]?\d[\d.e+-]*", "…", each["reason"]) for each in report["outcomes"])
    for reason, count in kinds.most_common():
        out.print(f"  {count:4} × {reason}")
    out.print(f"{report['forward_tokens']:,} forward tokens, {report['seconds']:.0f} s")
