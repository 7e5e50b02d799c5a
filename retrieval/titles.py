"""An issue's title: data sets of SWE-bench's layout have none, but an issue's text begins with it.

Where the text is a filled-in form, as many projects ask for, its comments, headings and boxes to tick come
first, and are no title.
"""

import re
from collections.abc import Iterator

_COMMENT = re.compile(r"<!--.*?(-->|\Z)", re.DOTALL)
_FRONT = re.compile(r"\A\s*---[ \t]*\n(?:[\w-]+:.*\n|[ \t]+.*\n)+---[ \t]*\n")
_HEADING = re.compile(r"\s*(?:#+\s+)?(?P<bold>\*\*|__)?(?P<title>.*?)(?(bold)(?P=bold))(?:\s+#+)?\s*")
_MARKED = re.compile(r"\s*(?:#+\s|\*\*|__)|.*:\s*(?:\*\*|__)?\s*\Z")
_BOX = re.compile(r"\s*(?:[-*+]|\d+\.)?\s*\[[ xX]\]")
_OF_FORMS = frozenset(
    re.findall(
        r"\w+",
        """
        a about actual actually additional and any behavior behaviour bug check checklist code
        configuration context current currently describe description detail details did do does
        environment error example exactly expect expected feature happen happened happens have
        how i in info information is issue it kind log logs minimal observed of on operating or
        os other output platform please prerequisites problem proposed python question related
        relevant report reproduce reproducer reproducible reproducing reproduction request
        result results s sample screenshot screenshots short snippet solution steps suggested
        summary system template the this title to traceback type version versions was were what
        which with you your
        """,
    )
)
"""Words that headings of forms are made of."""
_PLAIN_WORDS = 3
"""A line that is not marked as a heading is one of a form's where it has so few words, all of them its."""


def title_of(issue: str) -> str:
    """The first line that says something, without Markdown's marks of a heading; "" where there is none.

    Comments and what a form has before its answers are passed over, as long as anything else is there.
    """
    text = _FRONT.sub("", _COMMENT.sub("", issue))
    return next(_titles(text, forms=False), "") or next(_titles(text, forms=True), "")


def _titles(text: str, *, forms: bool) -> Iterator[str]:
    for line in text.splitlines():
        heading = _HEADING.fullmatch(line)
        title = " ".join((heading["title"] if heading else line).split())
        if re.search(r"\w", title) and (forms or not _of_a_form(line, title)):
            yield title


def _of_a_form(line: str, title: str) -> bool:
    if _BOX.match(line):
        return True
    words = re.findall(r"\w+", title.lower())
    return (len(words) <= _PLAIN_WORDS or bool(_MARKED.match(line))) and _OF_FORMS.issuperset(words)
