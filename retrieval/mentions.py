"""What an issue names outright: files of a traceback, modules of an import, symbols in code.

Each mention is looked up among what the repository really holds; one that fits several files is shared out.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from unicodedata import normalize

from retrieval.tokens import apart

_PATH = re.compile(r"[\w./\\-]{1,300}\.py(?![A-Za-z0-9_])")
_DOTTED = re.compile(r"\b[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_IMPORT = re.compile(r"\bfrom[ \t]+([\w.]+)[ \t]+import[ \t]+\(?([\w, \t]+)")
_CODE_WORD = re.compile(r"[^\W\d]\w*")
_LOOKS_LIKE_CODE = re.compile(r"_|[a-z][A-Z]|[A-Z]{2,}[a-z]|[A-Z][a-z]+[A-Z0-9]")
_MAX_SYMBOL = 64
_MAX_DEPTH = 12
_IN_CODE = re.compile(r"`([^`\n]{1,200})`|\b([^\W\d]\w*)\(|\bin ([^\W\d]\w*)$|\.([^\W\d]\w*)", re.MULTILINE)


def mentioned_files(text: str, paths: Sequence[str], modules: Mapping[str, int]) -> dict[int, float]:
    """Position in `paths` to how clearly the text names it: 1 for a path or module that fits it alone.

    `modules` maps dotted names to positions. A traceback's absolute path is matched from its end.
    """
    found = named_files(text, paths)
    for dotted in {name for view in _views(text) for name in _dotted_names(view)}:
        module = _module_position(dotted, modules)
        if module is not None:
            found[module] = 1.0
    return found


def named_files(text: str, paths: Sequence[str], path_like: re.Pattern[str] = _PATH) -> dict[int, float]:
    """The same for paths alone, by a pattern of what reads like one."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for position, path in enumerate(paths):
        by_name[normalize("NFKC", path).rsplit("/", 1)[-1]].append(position)
    found: dict[int, float] = {}
    for mention in {mention for view in _views(text) for mention in path_like.findall(view)}:
        parts = mention.replace("\\", "/").strip("./").split("/")
        named = {p: normalize("NFKC", paths[p]).split("/") for p in by_name.get(parts[-1], ())}
        depth = {position: _common_end(parts, path) for position, path in named.items()}
        deepest = max(depth.values(), default=0)
        if deepest < min(len(parts), 2):
            continue
        fitting = [position for position, d in depth.items() if d == deepest]
        for position in fitting:
            found[position] = max(found.get(position, 0.0), 1 / len(fitting))
    return found


def mentioned_symbols(text: str) -> set[str]:
    """Identifiers that stand as code: compound names, calls, attributes, words in backticks."""
    found: set[str] = set()
    for view in _views(text):
        found |= {word for word in _words(view) if _LOOKS_LIKE_CODE.search(word)}
        found = found.union(*(_words(group) for groups in _IN_CODE.findall(view) for group in groups))
    return found


def defining_files(symbols: Mapping[str, float], defined_in: Mapping[str, Sequence[int]]) -> dict[int, float]:
    """Position of a file to the sum of the weights of the symbols it defines, each shared by all that do."""
    found: dict[int, float] = defaultdict(float)
    for symbol, weight in symbols.items():
        positions = defined_in.get(symbol, ())
        for position in positions:
            found[position] += weight / len(positions)
    return found


def _views(text: str) -> set[str]:
    """A text, and where it is in a script without spaces, with what is in another script set apart.

    In the form that Python has identifiers in (NFKC), as definitions come from its parser.
    """
    return {normalize("NFKC", text), apart(text)}


def _words(text: str) -> set[str]:
    return {word for word in _CODE_WORD.findall(text) if 2 < len(word) <= _MAX_SYMBOL}


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    depth = 0
    while depth < min(len(one), len(other)) and one[-1 - depth] == other[-1 - depth]:
        depth += 1
    return depth


def _dotted_names(text: str) -> set[str]:
    names = set(_DOTTED.findall(text))
    for module, imported in _IMPORT.findall(text):
        names |= {f"{module}.{name.split()[0]}" for name in imported.split(",") if name.split()}
    return names


def _module_position(dotted: str, modules: Mapping[str, int]) -> int | None:
    parts = dotted.split(".")[:_MAX_DEPTH]
    for length in range(len(parts), 1, -1):
        position = modules.get(".".join(parts[:length]))
        if position is not None:
            return position
    return None
