"""How autoencoders learn, and what they are worth in the end."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vectors.lab.figures.figures import COLOURS, new_figure
from vectors.lab.sae.training import Trained

_PANELS = (
    ("loss", "squared error per channel", "log"),
    ("l0", "active features of a token", "log"),
    ("explained", "explained variance", "linear"),
    ("dead", "share of dead features", "linear"),
)
_STYLES = ("-", "--", ":", "-.")


def training_figure(trained: Sequence[Trained], title: str) -> Figure:
    """Loss, L0, explained variance and dead share by step, a line for each autoencoder; a dot is what holds
    on the residuals that were held out."""
    figure = new_figure(10, 7.2, title)
    for axes, (name, label, scale) in zip(figure.subplots(2, 2).flatten(), _PANELS, strict=True):
        for number, each in enumerate(trained):
            colour = COLOURS[number % len(COLOURS)]
            steps = [step + 1 for step, _ in each.curve]
            values = [getattr(stepped, name) for _, stepped in each.curve]
            style = _STYLES[number // len(COLOURS) % len(_STYLES)]
            axes.plot(steps, values, style, color=colour, linewidth=1.4, label=each.name)
            held_out: Mapping[str, float] = {
                "l0": each.quality.l0.value,
                "explained": each.quality.explained.value,
            }
            if name in held_out:
                axes.plot(each.steps, held_out[name], "o", color=colour, markersize=5, clip_on=False)
        axes.set_yscale(scale)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
        if name == "explained":
            lowest = min(point.explained for each in trained for _, point in each.curve)
            axes.set_ylim(max(0.0, lowest), 1)
        if name == "dead":
            axes.set_ylim(0, max(0.05, axes.get_ylim()[1]))
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure
