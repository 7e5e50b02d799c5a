"""The existing tests nearest to changed files, for a solver, which does not know the hidden ones.

Judged from the tree of the base commit alone: a test file is near a module that its name speaks of and that
it imports. At most a few files are chosen, so that a candidate patch is tested in seconds.
"""

import re
from pathlib import PurePosixPath

from swebench.trees import REGULAR, Scratch

MAX_FILES = 3
_TEST_FILE = re.compile(r"(^|/)(tests?\.py|test_[^/]*\.py|[^/]*_tests?\.py)$|(^|/)tests?/[^/]+/[^/]*\.py$")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+([^\n]*))", re.MULTILINE)
_ROOTS = ("src/", "lib/")


def nearest_tests(scratch: Scratch, changed: list[str], limit: int = MAX_FILES) -> list[str]:
    """At most `limit` test files of the base commit, nearest first; empty where none is near."""
    entries = [e for e in scratch.entries(scratch.base) if e.mode == REGULAR and _TEST_FILE.search(e.path)]
    tests = [entry for entry in entries if not entry.path.endswith("__init__.py")]
    modules = [_module(path) for path in changed if path.endswith(".py") and not _TEST_FILE.search(path)]
    scores: dict[str, float] = {}
    for entry, content in zip(tests, scratch.blobs([entry.blob for entry in tests]), strict=True):
        imported = _imported(content.decode("utf-8", "replace"))
        score = max((_nearness(entry.path, imported, module) for module in modules), default=0.0)
        if score > 0:
            # Of two that are as near, the smaller is the quicker and usually the more to the point.
            scores[entry.path] = score - len(content) / 1e9
    return sorted(scores, key=lambda path: (-scores[path], path))[:limit]


def _nearness(test: str, imported: set[str], module: str) -> float:
    """2 for importing the module, 1 for naming its package too, and up to 3 for the names that both have."""
    parts = [part for part in module.split(".")[1:] if part] or [module]
    words = set(re.split(r"[\W_]+", test.lower().removesuffix(".py"))) - {"test", "tests"}
    spoken = [set(re.split(r"_+", part.lower())) - {""} for part in parts]
    named = 3.0 * (bool(spoken[-1]) and spoken[-1] <= words)
    around = sum(bool(part) and part <= words for part in spoken[:-1]) / max(1, len(spoken) - 1)
    direct = 2.0 * any(name == module or name.startswith(f"{module}.") for name in imported)
    package = module.rpartition(".")[0]
    return named + around + direct + 0.5 * (bool(package) and package in imported)


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
