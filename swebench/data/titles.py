"""A task's title: data sets of SWE-bench's layout have none, but an issue's text begins with it."""

import re

_COMMENT = re.compile(r"<!--.*?(-->|\Z)", re.DOTALL)
_HEADING = re.compile(r"\s*(?:#+\s+)?(?P<bold>\*\*|__)?(?P<title>.*?)(?(bold)(?P=bold))(?:\s+#+)?\s*")
_MOST_CHARS = 200


def title_of(problem_statement: str) -> str:
    """The first line that says something, without Markdown's marks of a heading; "" where there is none.

    Comments, which issue templates are full of, are passed over; a title is at most 200 characters long.
    """
    for line in _COMMENT.sub("", problem_statement).splitlines():
        heading = _HEADING.fullmatch(line)
        title = " ".join((heading["title"] if heading else line).split())
        if re.search(r"\w", title):
            return title if len(title) <= _MOST_CHARS else title[: _MOST_CHARS - 1] + "…"
    return ""
