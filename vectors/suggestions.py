"""What somebody probably meant who wrote a name that there is not."""

import difflib
from collections.abc import Iterable


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: "; did you mean a or b?", "" where no name is near."""
    near = difflib.get_close_matches(written.lower(), list(known), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""
