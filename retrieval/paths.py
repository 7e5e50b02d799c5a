"""What a path alone says about a file: test, documentation or code, and the module it is imported as.

Whole components are compared, never substrings: `src/_pytest/` is no test folder and `contest.py` no test.
"""

from pathlib import PurePosixPath

_SUPPORT = {"doc", "docs", "example", "examples", "demo", "demos", "benchmark", "benchmarks", "asv_bench"}
_SUPPORT |= {"gallery", "galleries", "tutorial", "tutorials", "sample", "samples", "scripts", "tools"}
_SOURCE_ROOTS = {"src", "lib"}


def is_test(path: str) -> bool:
    """True for test modules and for everything in a folder `tests`, or in a folder `test` at the top.

    A `test` folder further down may be a package for users, as django/test is.
    """
    *folders, name = path.split("/")
    stem = name.removesuffix(".py")
    return (
        "tests" in folders
        or folders[:1] in (["test"], ["testing"])
        or stem in {"conftest", "tests"}
        or stem.startswith("test_")
        or stem.endswith("_test")
    )


def is_test_module(path: str) -> bool:
    """True for what runners look for by its name: test_x.py, x_test.py, x_tests.py, test.py or tests.py."""
    stem = path.rsplit("/", 1)[-1].removesuffix(".py")
    named = stem in {"test", "tests"} or stem.startswith("test_") or stem.endswith(("_test", "_tests"))
    return path.endswith(".py") and named


def is_support(path: str) -> bool:
    """True for what stands in a folder of documentation, examples, benchmarks or scripts at the top."""
    return path.split("/", 1)[0].lower() in _SUPPORT and "/" in path


def module_of(path: str) -> str:
    """The dotted name a Python file is imported by: `src/pkg/sub/__init__.py` is `pkg.sub`."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if len(parts) > 1 and parts[0] in _SOURCE_ROOTS:
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)
