"""What a test log says about each test: one parser for each kind of log, by the name that rows use."""

import re
from collections.abc import Callable
from enum import StrEnum

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARY = re.compile(r"^=+ short test summary info =+$")


class Status(StrEnum):
    """The outcome of a test, from the worst to the best; MISSING is a test of which the log says nothing."""

    MISSING = "MISSING"
    ERROR = "ERROR"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    XPASS = "XPASS"
    XFAIL = "XFAIL"
    PASSED = "PASSED"

    @property
    def passes(self) -> bool:
        """Whether the harness counts the test as passed; an expected failure is one that holds."""
        return self in {Status.PASSED, Status.XFAIL}


_RANK = {status: rank for rank, status in enumerate(Status)}


def parse_pytest(log: str) -> dict[str, Status]:
    """The statuses by node id in the summary that `pytest -rA` ends with.

    Only the last summary counts, so that output of a test that looks like one does not. A test that has
    several outcomes (it passed, its teardown failed) has the worst. Skipped tests are listed by pytest
    without their ids and so are missing here.
    """
    lines = _COLOUR.sub("", log).splitlines()
    starts = [number for number, line in enumerate(lines) if _SUMMARY.match(line)]
    found: dict[str, Status] = {}
    for line in lines[starts[-1] + 1 :] if starts else []:
        word, _, rest = line.partition(" ")
        if word not in Status.__members__ or rest.startswith("["):
            continue
        test, status = _node_id(rest), Status(word)
        found[test] = min(found.get(test, status), status, key=_RANK.__getitem__)
    return found


def status_of(test: str, statuses: dict[str, Status]) -> Status:
    """The status of a test by the id that a row gives.

    The lists of SWE-bench were made by cutting each id at its first white space, so an id that is not found
    stands for all that begin with it up to there, and has the worst of their statuses.
    """
    if test in statuses:
        return statuses[test]
    cut = [status for found, status in statuses.items() if found.split(maxsplit=1)[:1] == [test]]
    return min(cut, key=_RANK.__getitem__, default=Status.MISSING)


def _node_id(text: str) -> str:
    """The node id in front of ` - message`; parameters may hold spaces, dashes and brackets themselves."""
    bracket, dash = text.find("["), text.find(" - ")
    if bracket < 0 or 0 <= dash < bracket:
        return text if dash < 0 else text[:dash]
    end = text.find("] - ", bracket)
    return text[: end + 1] if end >= 0 else text


LOG_PARSERS: dict[str, Callable[[str], dict[str, Status]]] = {"pytest": parse_pytest}
