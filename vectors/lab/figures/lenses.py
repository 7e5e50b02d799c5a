"""The logit lens over layers as a figure: tokens in cells, coloured by how far they are promoted."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from vectors.lab.figures.figures import ink_on, new_figure
from vectors.lab.steering.lens import Lens

_FIRST_NOT_DRAWN = 0x0530  # the font of the figure has Latin, Greek and Cyrillic
_MAX_CHARS = 14


def lens_figure(lenses: Mapping[int, Lens], title: str) -> Figure:
    """Draw the suppressed tokens on the left and the promoted ones on the right, strongest outside."""
    layers = list(lenses)
    k = len(lenses[layers[0]].promoted)
    tokens = [[*lens.suppressed, *reversed(lens.promoted)] for lens in lenses.values()]
    scores = np.array([[*lens.suppressed_z, *reversed(lens.promoted_z)] for lens in lenses.values()])
    figure = new_figure(
        2.5 + 2.1 * k, 1.8 + 0.45 * len(layers), f"{title}\nlogit lens of the vector, no sampling"
    )
    axes: Axes = figure.subplots()
    image = axes.imshow(scores, origin="lower", aspect="auto", cmap="PuOr_r", norm=CenteredNorm())
    figure.colorbar(image, ax=axes, label="standard deviations from the vocabulary's mean", pad=0.01)
    for (row, column), score in np.ndenumerate(scores):
        axes.text(
            column,
            row,
            _drawable(tokens[row][column]),
            ha="center",
            va="center",
            fontsize=8,
            color=ink_on(image.to_rgba(score)),
            parse_math=False,
        )
    axes.axvline(k - 0.5, color="black", linewidth=2)
    axes.set_xticks(
        [(k - 1) / 2, k + (k - 1) / 2], ["suppressed, strongest left", "promoted, strongest right"]
    )
    axes.set_yticks(range(len(layers)), [str(layer) for layer in layers])
    axes.set_ylabel("layer")
    return figure


def _drawable(token: str) -> str:
    """The token as text in quotes, what cannot be drawn as its escape."""
    quoted = "".join(c if ord(c) < _FIRST_NOT_DRAWN else ascii(c)[1:-1] for c in repr(token))
    return quoted if len(quoted) <= _MAX_CHARS else f"{quoted[:_MAX_CHARS]}…"
