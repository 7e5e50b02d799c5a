"""The existing tests nearest to changed files, for a solver, which does not know the hidden ones.

Judged from the tree of the base commit alone: a test file is near a module that its name speaks of and that
it imports. At most a few files are chosen, so that a candidate patch is tested in seconds.
"""

import re
from pathlib import PurePosixPath

from swebench.patches.trees import REGULAR, Scratch

MAX_FILES = 3
_TEST_FILE = re.compile(r"(^|/)(tests?|test_[^/]*|[^/]*_tests?)\.py$")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+([^\n]*))", re.MULTILINE)
_ROOTS = ("src/", "lib/")


def nearest_tests(scratch: Scratch, changed: list[str]) -> list[str]:
    """At most MAX_FILES test files of the base commit, nearest first; empty where none is near."""
    tests = [e for e in scratch.entries(scratch.base) if e.mode == REGULAR and _TEST_FILE.search(e.path)]
    modules = [_module(path) for path in changed if path.endswith(".py") and not _TEST_FILE.search(path)]
    scores: dict[str, float] = {}
    for entry, content in zip(tests, scratch.blobs([entry.blob for entry in tests]), strict=True):
        imported = _imported(content.decode("utf-8", "replace"))
        score = max((_nearness(entry.path, imported, module) for module in modules), default=0.0)
        if score > 0:
            # Of two that are as near, the smaller is the quicker and usually the more to the point.
            scores[entry.path] = score - len(content) / 1e9
    return sorted(scores, key=lambda path: (-scores[path], path))[:MAX_FILES]


def _nearness(test: str, imported: set[str], module: str) -> float:
    """2 for importing the module, up to 3 for its own name in the test's path, up to 2 for its packages', and
    up to 1 for how little else the path speaks of.
    """
    package, _, own = module.rpartition(".")
    words, named = _words(test.removesuffix(".py")) - {"test", "py"}, _words(own)
    around = _words(package.partition(".")[2]) - named
    direct = any(name == module or name.startswith(f"{module}.") for name in imported)
    score = 2.0 * direct + 3.0 * (len(words & named) / len(named) if named else 0.0)
    if not score:
        return 0.0
    score += 2.0 * (len(words & around) / len(around) if around else 0.0)
    return score + (len(words & (named | around)) / len(words) if words else 0.0)


def _words(text: str) -> set[str]:
    """The words of a name, each without a plural's ending."""
    return {word.removesuffix("s") for word in re.split(r"[\W_]+", text.lower()) if word}


def _module(path: str) -> str:
    for root in _ROOTS:
        path = path.removeprefix(root)
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _imported(source: str) -> set[str]:
    found: set[str] = set()
    for origin, names, plain in _IMPORT.findall(source):
        if origin:
            found |= {origin, *(f"{origin}.{name}" for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?", names))}
        else:
            found |= set(re.findall(r"[\w.]+", plain))
    return found
