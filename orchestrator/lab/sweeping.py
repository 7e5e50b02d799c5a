"""What a domain's vector does at every layer and α, and where its zones are: what `lab sweep` does."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure
from pydantic import SerializerFunctionWrapHandler, model_serializer

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants, heldout_pairs, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.lab.figures.heatmaps import sweep_figure
from vectors.lab.steering.sweep import MOVED_FROM, SHARES, ZONE_RULE, Sweep, default_layers, grid, sweep
from vectors.measuring.journal import Journal, digest_of

LATE = 34 / 35
"""The depth of the layers that the original found rigid, 33 to 35 of 36."""
NEAR = 0.05
"""As a share of the depth: a layer farther off says nothing about it."""
RIGID_TO = 0.2
"""At most 17 % of the original's outputs changed there."""


class SweepSettings(Record):
    """The grid, how many tokens an output has, and what the model was asked."""

    layers: tuple[int, ...]
    shares: tuple[float, ...]
    alphas: tuple[float, ...]
    tokens: int
    prompts: tuple[str, ...]


class SweepResult(Analysis):
    """The cells of the grid and what holds without steering; in JSON with the zone of each cell and layer."""

    settings: SweepSettings
    swept: Sweep

    @model_serializer(mode="wrap")
    def _beside(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        own: dict[str, object] = dump(self)
        del own["provenance"], own["swept"]
        return {
            **self.provenance.model_dump(),
            **own,
            **asdict(self.swept),
            "cells": [asdict(cell) | {"zone": cell.zone} for cell in self.swept.cells],
            "zone_rule": ZONE_RULE,
            "zones": self.swept.zones(),
        }

    def findings(self) -> tuple[Finding, ...]:
        """What changes at mid-depth at a fifth of the spread, and near the end at the largest strength.

        Nothing is said of a depth that no layer is near.
        """
        found = []
        strongest = max(cell.share for cell in self.swept.cells)
        for claim, depth, share, beyond, above in (
            ("mid_depth_responds", 0.5, 0.2, MOVED_FROM, True),
            ("late_layers_are_rigid", LATE, strongest, RIGID_TO, False),
        ):
            wanted = depth * (self.swept.n_layers - 1)
            cell = min(self.swept.cells, key=lambda each: (abs(each.layer - wanted), abs(each.share - share)))
            if abs(cell.layer - wanted) > NEAR * self.swept.n_layers:
                continue
            measures = (
                f"outputs that change at layer {cell.layer} of {self.swept.n_layers}, "
                f"α {cell.share:.0%} of the spread"
            )
            found.append(finding(claim, cell.change_rate, measures, beyond=beyond, above=above))
        return tuple(found)

    def section(self) -> Section:
        """A row a cell, and the zones."""
        swept, zones, unsteered = self.swept, self.swept.zones(), self.swept.unsteered_task_nats
        header = ["layer", "α", "of spread", "changed", "KL, bits", "text, nats/token", "degenerate", "zone"]
        rows = [
            [
                str(cell.layer),
                f"{cell.alpha:.1f}",
                f"{cell.share:.0%}",
                shown(cell.change_rate, ".0%"),
                shown(cell.kl_bits),
                shown(cell.task_nats, "+.2f") if cell.task_nats else "no texts",
                shown(cell.degenerate, ".0%"),
                cell.zone,
            ]
            for cell in swept.cells
        ]
        notes = [
            f"unsteered: repeated, {shown(swept.repeat_change_rate, '.0%')} change; "
            f"{shown(swept.unsteered_degenerate, '.0%')} degenerate"
            + (f"; text {shown(unsteered, '+.2f')}" if unsteered else ""),
            *(
                f"{zone}: layers {', '.join(str(layer) for layer, of in zones.items() if of == zone)}"
                for zone in dict.fromkeys(zones.values())
            ),
            f"({ZONE_RULE})",
            evidence(swept.repeat_change_rate.n, *([unsteered.n] if unsteered else [])),
        ]
        return Section(self.heading, "\n".join(notes), [Table(header, rows)])

    def figure(self) -> Figure:
        """Heat maps, layers × α."""
        return sweep_figure(self.swept, self.heading, shares=not self.settings.alphas)


def sweep_vector(
    session: Session,
    vector_name: str,
    prompts: Sequence[str],
    *,
    texts: Path | None = None,
    layers: Sequence[int] = (),
    shares: Sequence[float] = (),
    alphas: Sequence[float] = (),
    tokens: int = 16,
    journal: Journal | None = None,
) -> SweepResult:
    """Sweep a domain's vector, or one in a file, over `layers` and `alphas`, else `shares` of the norm.

    `texts` are held-out ones, a JSON list, in place of the domain's; where there are none the likelihood of
    texts is left out. Without `layers` there are eight over the depth, without strengths the default shares.
    At least two `prompts` are answered, with `tokens` each. Finished ones and scored texts are kept in
    `journal`. Raises UnfitAnalysis, TextSetError, PromptSetError, SteeringMismatch, and what keeps a model
    from being opened.
    """
    pairs = heldout_pairs(session, vector_name, texts)
    vector = vector_of(session, vector_name)
    settings = SweepSettings(
        layers=tuple(layers or default_layers(session.model.n_layers)),
        shares=() if alphas else tuple(shares or SHARES),
        alphas=tuple(alphas),
        tokens=tokens,
        prompts=tuple(prompts),
    )
    points = grid(vector, settings.layers, shares=settings.shares, alphas=settings.alphas)
    provenance = Provenance.of(session, [vector])
    journal = journal or Journal()
    scored = [(pair.text, pair.neutral) for pair in pairs]
    units = len(prompts) + min(len(prompts), len(pairs))
    journal.begin(determinants(session, "sweep", provenance, settings, texts_sha256=digest_of(scored)), units)
    swept = sweep(
        session.engine,
        session.model,
        vector,
        points,
        prompts,
        pairs,
        tokens=tokens,
        journal=journal,
        progress=session.progress,
    )
    return SweepResult(provenance=provenance, settings=settings, swept=swept)
