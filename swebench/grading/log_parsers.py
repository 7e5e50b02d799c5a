"""What a test log says about each test: one parser for each kind of log, by the name that rows use."""

import re
from collections.abc import Callable, Mapping

from swebench.running.hearing import RANK, Status

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARY = re.compile(r"^=+ short test summary info =+$")


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
        found[test] = min(found.get(test, status), status, key=RANK.__getitem__)
    return found


def status_of(test: str, statuses: Mapping[str, Status]) -> Status:
    """The status of a test by the id that a row gives.

    Ids of SWE-bench are cut where their parameters have white space. A cut id, of which a bracket is open,
    stands for all that begin with it, and has a status where these agree on whether they pass.
    """
    if test in statuses:
        return statuses[test]
    found = [status for name, status in statuses.items() if name.startswith(test)] if _is_cut(test) else []
    agree = len({status.passes for status in found}) == 1
    return min(found, key=RANK.__getitem__) if agree else Status.MISSING


def _is_cut(test: str) -> bool:
    return test.count("[") > test.count("]")


def _node_id(text: str) -> str:
    """The node id in front of ` - message`; parameters may hold spaces, dashes and brackets themselves."""
    name, _, _ = text.partition(" - ")
    if "[" not in name:
        return name
    parameters, end, _ = text.partition("] - ")
    return f"{parameters}]" if end else text


LOG_PARSERS: dict[str, Callable[[str], dict[str, Status]]] = {
    "pytest": parse_pytest,
    # The same under the names that other data sets have for it.
    "parse_log_pytest": parse_pytest,
    "parse_log_pytest_v2": parse_pytest,
}
