"""The report as one HTML file that loads nothing, made from page.html.j2; what comes from runs is escaped."""

from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from orchestrator.reporting.tables import Section


def page(title: str, sections: Sequence[Section], pictures: Mapping[str, str]) -> str:
    """The whole document; `pictures` are SVG elements by name, which are put in as they are."""
    environment = Environment(
        loader=PackageLoader("orchestrator.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("page.html.j2")
    return template.render(title=title, sections=sections, pictures=pictures)
