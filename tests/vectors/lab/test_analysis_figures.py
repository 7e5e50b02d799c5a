"""Figures: what they say, the file they become, and that a wrong name is refused before any work."""

import re
from itertools import product

import pytest

from vectors.errors import UnfitAnalysis
from vectors.lab.figures.charts import composition_figure, demo_figure, diversity_figure
from vectors.lab.figures.figures import check_name, ink_on, save
from vectors.lab.figures.heatmaps import sweep_figure
from vectors.lab.figures.lenses import lens_figure
from vectors.lab.steering.composition import Condition
from vectors.lab.steering.demo import METRICS, VARIANTS, Row
from vectors.lab.steering.diversity import Diversity
from vectors.lab.steering.lens import Lens
from vectors.lab.steering.sweep import Cell, Sweep
from vectors.statistics.estimates import Estimate, rate, sample_size

FIGURE = Estimate(0.5, 0.25, 0.75, 12)


def swept():
    cells = [
        Cell(layer, share * 50, share, rate(int(share * 12), 12), FIGURE, FIGURE, rate(layer, 12))
        for layer, share in product((0, 4, 9), (0.1, 0.5, 1.0))
    ]
    return Sweep(30, tuple(cells), rate(0, 12), rate(0, 12), FIGURE)


def figure(name):
    both = {"code_reading": FIGURE, "bug_analysis": FIGURE}
    conditions = [
        Condition(name, ("",), both, both, both, FIGURE, FIGURE, FIGURE, FIGURE)
        for name in ("unsteered", "add")
    ]
    metrics = dict.fromkeys(METRICS, FIGURE)
    rows = [Row(s, v, metrics, metrics) for s, v in product(("all scenarios", "test failure"), VARIANTS)]
    lens = Lens((" def", "$x$", "\n"), ("的", " sea", "_"), (5.0, 4.0, 3.0), (-5.0, -4.0, -3.0))
    draw = {
        "sweep, shares": lambda: sweep_figure(swept(), "a sweep", shares=True),
        "sweep, absolute": lambda: sweep_figure(swept(), "a sweep", shares=False),
        "diversity": lambda: diversity_figure(
            [Diversity(0.3, FIGURE, FIGURE, FIGURE, FIGURE)], "a diversity"
        ),
        "composition": lambda: composition_figure(conditions, "a composition"),
        "demo": lambda: demo_figure(rows, "a demo"),
        "lens": lambda: lens_figure({0: lens, 3: lens}, "a lens"),
    }
    return draw[name]()


@pytest.mark.parametrize("layers", [1, 3, 8])
def test_the_explanation_of_a_sweep_stays_in_the_picture(layers):
    cells = [Cell(layer, 5, 0.1, FIGURE, FIGURE, FIGURE, FIGURE) for layer in range(layers)]
    drawn = sweep_figure(Sweep(30, tuple(cells), FIGURE, FIGURE, FIGURE), "a sweep", shares=True)
    drawn.draw_without_rendering()
    (note,) = (text for text in drawn.axes[5].texts if "rigid" in text.get_text())
    where = note.get_window_extent()
    assert 0 <= where.x0 < where.x1 <= drawn.bbox.x1
    assert 0 <= where.y0 < where.y1 <= drawn.bbox.y1


MEASURED = ["sweep, shares", "sweep, absolute", "diversity", "composition", "demo"]


@pytest.mark.filterwarnings("error")  # a glyph that the font lacks would be a warning
@pytest.mark.parametrize("name", [*MEASURED, "lens"])
def test_a_figure_becomes_a_picture(tmp_path, name):
    save(figure(name), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_equal_figures_become_equal_files(tmp_path, suffix):
    for copy in "ab":
        save(figure("diversity"), tmp_path / f"{copy}{suffix}")
    one, other = ((tmp_path / f"{copy}{suffix}").read_bytes() for copy in "ab")
    assert one == other


def texts(name, tmp_path):
    save(figure(name), tmp_path / "figure.svg")
    return " ".join(re.findall(r"<text[^>]*>([^<]*)", (tmp_path / "figure.svg").read_text()))


@pytest.mark.parametrize("name", MEASURED)
def test_a_measured_figure_says_n_the_interval_and_that_nothing_is_claimed(tmp_path, name):
    shown = texts(name, tmp_path)
    assert "n = 12" in shown
    assert "95 % intervals; n &lt; 200: no claim" in shown


def test_from_200_observations_on_the_warning_is_gone():
    assert sample_size([200, 300], "prompts") == "n = 200–300 prompts, 95 % intervals"


def test_the_sweep_shows_every_value_with_its_interval_and_every_layers_zone(tmp_path):
    shown = texts("sweep, shares", tmp_path)
    assert shown.count("+0.25 … +0.75") == 9
    assert "100%" in shown
    for zone in swept().zones().values():
        assert shown.count(zone) >= 2  # the layer and the legend
    assert "share of the residual's spread" in shown
    assert "α, absolute" in texts("sweep, absolute", tmp_path)


def test_the_lens_shows_tokens_as_they_are_written_and_escapes_what_it_cannot_draw(tmp_path):
    shown = texts("lens", tmp_path)
    for token in ("' def'", "'$x$'", r"'\n'", r"'\u7684'"):
        assert token in shown.replace("&apos;", "'")


@pytest.mark.parametrize("name", ["figure.pdf", "figure", "no/such/folder/figure.png"])
def test_a_name_that_no_figure_can_have_is_refused(tmp_path, name):
    with pytest.raises(UnfitAnalysis):
        check_name(tmp_path / name)
    check_name(tmp_path / "figure.svg")


def test_what_is_written_on_a_colour_can_be_read():
    assert ink_on((1, 1, 0.2, 1)) == "black"
    assert ink_on((0, 0.1, 0.4, 1)) == "white"
