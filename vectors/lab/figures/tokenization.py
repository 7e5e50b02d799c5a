"""The picture of tokenizers: counts, characters a token, a radar, a sentence in pieces, fragmentation."""

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from vectors.lab.figures.figures import COLOURS, bars, ink_on, legend_above, new_figure
from vectors.lab.geometry.comparing import Profile
from vectors.statistics.estimates import Estimate

_SHADES = ("#cfe3f1", "#f9dcc4")
_LINE = 74
"""Characters in a line of the sentence that is shown in pieces."""
_LONGEST = 12
"""From so many characters before a line's end on it is broken at the next space."""
_CHARACTER, _ROW = 1.0, 1.6


def tokenizer_figure(profiles: Sequence[Profile], lengths: Mapping[str, int], title: str) -> Figure:
    """Five panels: tokens of each prompt, bytes a token by corpus, the same as a radar, one prompt in pieces,
    and what is torn. `lengths` are the prompts' characters.
    """
    figure = new_figure(11, 16 + 0.5 * len(profiles), title)
    top, middle, sentence, below = _parts(figure, [5, 3.2, 1 + 0.7 * len(profiles), 3.2], [1])
    left, right = _parts(top, [1], [1.15, 1])
    _heat_map(left, profiles, lengths)
    _radar(right, profiles)
    axes = middle.subplots()
    corpora = list(profiles[0].costs)
    series = {each.tokenizer: [each.costs[name].bytes_per_token for name in corpora] for each in profiles}
    bars(axes, list(map(_broken, corpora)), series, "bytes a token")
    legend_above(axes, len(profiles))
    _pieces(sentence.subplots(), profiles)
    _fragmentation(below, profiles)
    return figure


def _heat_map(figure: SubFigure, profiles: Sequence[Profile], lengths: Mapping[str, int]) -> None:
    axes, names = figure.subplots(), list(lengths)
    counts = [[each.prompts[name] for each in profiles] for name in names]
    # Each row by its own smallest count: what differs is the tokenizer, not how long the text is.
    shares = [[count / min(row) for count in row] for row in counts]
    colours, most = mpl.colormaps["YlOrRd"], max(map(max, shares))
    axes.imshow(shares, cmap=colours, vmin=1, vmax=most, aspect="auto")
    for row, (across, by) in enumerate(zip(counts, shares, strict=True)):
        for column, (count, share) in enumerate(zip(across, by, strict=True)):
            ink = ink_on(colours((share - 1) / (most - 1 or 1)))
            axes.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(profiles)), [each.tokenizer for each in profiles], rotation=20, ha="right")
    axes.set_yticks(range(len(names)), [f"{name}\n{lengths[name]} characters" for name in names], fontsize=8)
    axes.set_title("tokens; colour: over the fewest of the row", fontsize=9)


def _radar(figure: SubFigure, profiles: Sequence[Profile]) -> None:
    axes = figure.add_subplot(projection="polar")
    corpora = list(profiles[0].costs)
    angles = [2 * math.pi * index / len(corpora) for index in range(len(corpora))]
    for index, each in enumerate(profiles):
        values = [each.costs[name].bytes_per_token.value for name in corpora]
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(
            [*angles, angles[0]], [*values, values[0]], color=colour, linewidth=1.5, label=each.tokenizer
        )
    axes.set_xticks(angles, list(map(_broken, corpora)), fontsize=8)
    axes.tick_params(axis="x", pad=12)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_ylim(bottom=0)
    axes.set_title("bytes a token, by kind of text", fontsize=9, pad=18)
    figure.legend(loc="outside lower center", ncols=min(4, len(profiles)), frameon=False, fontsize=8)


def _pieces(axes: Axes, profiles: Sequence[Profile]) -> None:
    """The same text once a tokenizer, each token on a ground of its own; all letters equally wide."""
    place = 0.0
    for each in profiles:
        axes.text(
            0, place, f"{each.tokenizer}: {len(each.shown)} pieces", fontsize=8, va="center", weight="bold"
        )
        place += _ROW
        column = 0
        for number, piece in enumerate(each.shown):
            for character in piece:
                if column == _LINE or (column > _LINE - _LONGEST and character.isspace()):
                    column, place = 0, place + _ROW
                x = column * _CHARACTER
                shade = _SHADES[number % 2]
                axes.add_patch(
                    mpl.patches.Rectangle((x, place - 0.7), _CHARACTER, 1.4, color=shade, linewidth=0)
                )
                axes.text(x + 0.5, place, character, fontsize=8, family="monospace", ha="center", va="center")
                column += 1
        place += _ROW * 1.3
    axes.set_xlim(0, _LINE)
    axes.set_ylim(place - 0.5, -1)
    axes.axis("off")
    axes.set_title("one request in pieces", fontsize=9)


def _fragmentation(figure: SubFigure, profiles: Sequence[Profile]) -> None:
    left, right = figure.subplots(1, 2)
    fields = list(profiles[0].by_field)
    torn: dict[str, list[Estimate]] = {p.tokenizer: [p.by_field[name] for name in fields] for p in profiles}
    bars(
        left,
        list(map(_broken, fields)),
        torn,
        "share of timestamps with\na cut inside the field",
    )
    left.tick_params(axis="x", labelsize=8)
    legend_above(left, len(profiles))
    tokens = {"tokens": [each.stamp_tokens for each in profiles]}
    bars(right, [each.tokenizer for each in profiles], tokens, "tokens of an ISO 8601 timestamp", COLOURS[3:])
    right.axhline(8, color="black", linewidth=0.8, linestyle="--")
    right.set_title("dashed: its eight fields", fontsize=9)


def _broken(name: str) -> str:
    return name.replace(" ", "\n")


def _parts(figure: Figure | SubFigure, heights: Sequence[float], widths: Sequence[float]) -> list[SubFigure]:
    """A figure's parts of these heights and widths, row by row."""
    grid = figure.add_gridspec(len(heights), len(widths), height_ratios=heights, width_ratios=widths)
    return [
        figure.add_subfigure(grid[row, column])
        for row in range(len(heights))
        for column in range(len(widths))
    ]
