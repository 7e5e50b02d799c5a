"""Labels for runs without a verdict: what in their logs speaks of the machine instead of the patch.

As in SWE-bench 5 a label decides nothing: the instance stays in the denominator, unresolved. A label ends in
what it is sure of: "environment" cannot come from a patch of sources, "ambiguous" can.
"""

import re

_SIGNATURES = (
    ("out_of_memory (environment)", r"Cannot allocate memory|\bMemoryError\b|^Killed$"),
    ("disk_full (environment)", r"No space left on device"),
    (
        "network_unreachable (environment)",
        r"Could not resolve host|Temporary failure in name resolution|Network is unreachable",
    ),
    ("display_unavailable (environment)", r"cannot open display|unable to open X display"),
    ("missing_module (ambiguous)", r"\bModuleNotFoundError\b"),
    ("no_tests_collected (ambiguous)", r"no tests ran|collected 0 items|^Ran 0 tests"),
)
TIMED_OUT = "tests_timed_out (ambiguous)"
UNAVAILABLE = "environment_unavailable (environment)"
REPOSITORY = "repository_unavailable (environment)"
"""A repository, commit or object that is not here, or a git that failed."""


def label(log: str) -> str:
    """The label of the first signature that a log shows; empty where it shows none."""
    return next((name for name, shown in _SIGNATURES if re.search(shown, log, re.MULTILINE)), "")
