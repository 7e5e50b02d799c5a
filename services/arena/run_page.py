"""A run as one HTML file that loads nothing, made from run_page.html.j2; everything in it is escaped."""

import math
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from services.arena.run_answers import RunAnswer

_BOUNDS_BITS = (0.1, 0.5, 2.0, 8.0)
"""From which divergence on a token has the next deeper colour."""


def page_of(run: "RunAnswer") -> str:
    """The whole document."""
    environment = Environment(
        loader=PackageLoader("services.arena", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"depth": depth, "exp": math.exp}
    return environment.get_template("run_page.html.j2").render(run=run, bounds=_BOUNDS_BITS)


def depth(divergence_bits: float | None) -> int:
    """Which of the page's colours a token has, from 0 for none, as where it is not known."""
    return 0 if divergence_bits is None else sum(divergence_bits >= bound for bound in _BOUNDS_BITS)
