"""What of a log speaks of the machine, as logs have it, and what only looks as if it did."""

import itertools

import pytest

from swebench.grading.infrastructure import label

SHOWN = {
    "out_of_memory (environment)": (
        "OSError: [Errno 12] Cannot allocate memory",
        "MemoryError",
        "E   numpy.core._exceptions.MemoryError: Unable to allocate 8 GiB",
        "Killed",
    ),
    "disk_full (environment)": ("OSError: [Errno 28] No space left on device: 'a.txt'",),
    "network_unreachable (environment)": (
        "curl: (6) Could not resolve host: example.org",
        "socket.gaierror: [Errno -3] Temporary failure in name resolution",
        "OSError: [Errno 101] Network is unreachable",
    ),
    "display_unavailable (environment)": (
        "qt.qpa.xcb: cannot open display: :0",
        "Error: unable to open X display",
    ),
    "missing_module (ambiguous)": ("ModuleNotFoundError: No module named 'yaml'",),
    "no_tests_collected (ambiguous)": (
        "======= no tests ran in 0.01s =======",
        "collected 0 items / 1 error",
        "Ran 0 tests in 0.000s",
    ),
}


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in SHOWN.items() for line in lines])
def test_a_line_of_the_machine_s_anywhere_in_a_log_is_labelled(name, line):
    assert label(line) == label(f"some words\n{line}\nmore of them") == name


@pytest.mark.parametrize(
    "log",
    [
        "",
        "E   AssertionError: assert 3 == 4",
        "Killed by a reviewer",
        "Process 12: Killed",
        "NotAMemoryErrorAtAll",
        "TheModuleNotFoundErrorClass",
        "it had Ran 0 tests",
        "collected 10 items",
        "no module named yaml",
    ],
)
def test_what_only_resembles_such_a_line_is_not(log):
    assert label(log) == ""


def test_of_two_the_one_that_is_surer_of_the_machine_is_named():
    names = list(SHOWN)
    for first, second in itertools.pairwise(names):
        assert label(f"{SHOWN[second][0]}\n{SHOWN[first][0]}") == first
