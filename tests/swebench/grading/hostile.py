"""Patches that are meant to do harm: over 200 of them, made from rules and from a seed, none kept as a file.

Each is a function of the folder that nothing may be written to, so that a patch can aim at it.
"""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

Made = Callable[[Path], str]

HUGE = 50 << 20

NAMES = {
    "parent": "../outside.txt",
    "far parent": "../../../../../../../../{aim}/outside.txt",
    "inner parent": "src/../../outside.txt",
    "parent at the end": "src/..",
    "dots": "..",
    "dot": ".",
    "dot inside": "src/./routekit/new.py",
    "two slashes": "src//new.py",
    "slash at the end": "src/new/",
    "absolute": "{aim}/outside.txt",
    "absolute with two slashes": "/{aim}/outside.txt",
    "home": "~/outside.txt",
    "variable": "$HOME/outside.txt",
    "command": "$(touch {aim}/outside.txt)",
    "backticks": "`touch {aim}/outside.txt`",
    "pipe": "|touch outside.txt",
    "redirection": "> {aim}/outside.txt",
    "semicolon": "a;touch outside.txt",
    "option": "--output=outside.txt",
    "directory option": "--directory=..",
    "unsafe option": "--unsafe-paths",
    "short option": "-x",
    "one dash": "-",
    "two dashes": "--",
    "git config": ".git/config",
    "git hook": ".git/hooks/post-checkout",
    "git in capitals": ".GIT/config",
    "git mixed": "src/.GiT/hooks/pre-commit",
    "git with a dot": ".git./config",
    "git with a blank": ".git /config",
    "git short name": "git~1/config",
    "git stream": ".git::$INDEX_ALLOCATION/config",
    "git with an ignorable": ".g\u200cit/config",
    "git file": ".git",
    "nested git": "src/routekit/.git/config",
    "backslash": "..\\outside.txt",
    "git by backslash": ".git\\config",
    "drive": "C:\\outside.txt",
    "share": "\\\\server\\share\\outside.txt",
    "percent": "%2e%2e/outside.txt",
    "device": "NUL.py",
    "reversed": "src/\u202etxt.yp",
    "surrogate": "src/\udcff\udcfe.py",
    "lone surrogate": "src/\ud800.py",
    "nul": "src/a\0b.py",
    "quoted parent": "\\056\\056/outside.txt",
    "quoted git": "\\056git/config",
    "quoted newline": "a\\nb.py",
    "quoted nul": "a\\000b.py",
    "quoted bad bytes": "\\377\\376.py",
    "blanks": " a b .py ",
    "long name": "n" * 300 + ".py",
    "long path": "/".join(["deep"] * 900) + "/new.py",
    "very long path": "/".join(["deep"] * 6_000) + "/new.py",
    "git modules": ".gitmodules",
    "git attributes": ".gitattributes",
}

ODD_ONLY = (
    "home", "variable", "command", "backticks", "pipe", "semicolon", "directory option", "short option",
    "one dash", "two dashes", "drive", "share", "percent", "device", "reversed", "quoted bad bytes", "blanks",
)  # fmt: skip
"""Names that a file may have: moving one there is nothing else than making one there."""

_GOOD = "src/routekit/cache.py"


def new(name: str, content: str = "mark\n", mode: str = "100644") -> str:
    """A patch that makes a file, or whatever the mode says."""
    lines = content.split("\n")
    ended = lines[-1] == ""
    body = "".join(f"+{line}\n" for line in (lines[:-1] if ended else lines))
    tail = "" if ended else "\\ No newline at end of file\n"
    count = len(lines) - ended
    return (
        f"diff --git a/{name} b/{name}\nnew file mode {mode}\n--- /dev/null\n+++ b/{name}\n"
        f"@@ -0,0 +1,{count} @@\n{body}{tail}"
    )


def moved(verb: str, name: str) -> str:
    """A patch that renames or copies a file of the tree."""
    return f"diff --git a/{_GOOD} b/{name}\nsimilarity index 100%\n{verb} from {_GOOD}\n{verb} to {name}\n"


def link(name: str, target: str) -> str:
    """A patch that makes a symbolic link."""
    return new(name, target, "120000")


def submodule(name: str, commit: str = "1" * 40) -> str:
    """A patch that makes a submodule."""
    return new(name, f"Subproject commit {commit}\n", "160000")


def corpus(good: str) -> dict[str, Made]:
    """Hostile patches by name; `good` is a patch that applies, which some of them are made from."""
    made: dict[str, Made] = {}
    for label, name in NAMES.items():
        make_new, make_moved = (_quoted(new), _quoted(_renaming)) if "quoted" in label else (new, _renaming)
        made[f"new file, {label}"] = _aimed(name, make_new)
        if label not in ODD_ONLY:
            made[f"rename, {label}"] = _aimed(name, make_moved)
    made |= {name: _fixed(patch) for name, patch in _renamed(good)}
    made |= dict(_links())
    made |= {name: _fixed(patch) for name, patch in _modes()}
    made |= {name: _fixed(patch) for name, patch in _hunks(good)}
    made |= {name: _fixed(patch) for name, patch in _texts(good)}
    made |= {name: _fixed(patch) for name, patch in _repeated(good)}
    made |= {
        "50 MB of added lines": lambda _: new("big.txt", ("x" * 99 + "\n") * (HUGE // 100)),
        "50 MB in one line": lambda _: new("big.txt", "x" * HUGE + "\n"),
        "50 MB of no patch": lambda _: "y" * HUGE,
        "50 MB behind a good patch": lambda _: good + "z" * HUGE,
        "50 MB of header lines": lambda _: "diff --git a/a b/a\n" * (HUGE // 19),
    }
    made |= {f"damaged, seed {seed}": _fixed(_damaged(good, seed)) for seed in range(40)}
    return made


def _renaming(name: str) -> str:
    return moved("rename", name)


def _quoted(make: Callable[[str], str]) -> Callable[[str], str]:
    """The same, with the name in quotes wherever it stands, as git writes names with odd bytes."""
    return lambda name: re.sub(
        r"(?<=[ ])((?:[ab]/)?)@@name@@", lambda match: f'"{match[1]}{name}"', make("@@name@@")
    )


def _fixed(patch: str) -> Made:
    return lambda _: patch


def _aimed(name: str, make: Callable[[str], str]) -> Made:
    return lambda aim: make(name.replace("{aim}", str(aim)))


def _renamed(good: str) -> Iterator[tuple[str, str]]:
    """The good change, aimed at other files than it is of."""
    for label in ("parent", "absolute", "git config", "option", "git in capitals", "two slashes"):
        yield f"change, {label}", good.replace(_GOOD, NAMES[label].replace("{aim}", "/tmp"))
    yield "copy out", moved("copy", "../copied.py")
    yield "copy into git", moved("copy", ".git/copied.py")
    yield "no prefixes", good.replace("a/src", "src").replace("b/src", "src")
    yield "names that differ", good.replace(f"+++ b/{_GOOD}", "+++ b/../other.py")
    yield "old name outside", good.replace(f"--- a/{_GOOD}", "--- a/../../etc/passwd")
    yield "no names", good.replace(f"--- a/{_GOOD}\n+++ b/{_GOOD}\n", "")
    yield "tab and date", good.replace(f"+++ b/{_GOOD}", f"+++ b/{_GOOD}\t../../x")
    yield "delete all", f"diff --git a/{_GOOD} b/{_GOOD}\ndeleted file mode 100644\n"
    yield "delete a folder", "diff --git a/src b/src\ndeleted file mode 040000\n"
    yield "delete outside", "--- a/../../../etc/passwd\n+++ /dev/null\n@@ -1 +0,0 @@\n-root\n"


def _links() -> Iterator[tuple[str, Made]]:
    """Links out of the tree, and writes through links."""
    targets = {
        "absolute": "{aim}", "file": "{aim}/outside.txt", "root": "/", "parent": "..", "git": ".git",
        "far": "../" * 40 + "tmp", "itself": "way", "process": "/proc/self/cwd/../..", "long": "x/" * 3000,
        "dangling": "none", "newline": "a\nb", "empty": "", "home": "~",
    }  # fmt: skip
    for label, target in targets.items():
        yield f"link, {label}", _aimed(target, lambda target: link("way", target))
        yield (
            f"link and through it, {label}",
            _aimed(target, lambda target: link("way", target) + new("way/outside.txt")),
        )
    yield (
        "link in place of the tests",
        _aimed("{aim}", lambda target: _all_tests_gone() + link("tests", target)),
    )
    yield (
        "link in place of a test",
        _aimed("{aim}/outside.txt", lambda t: _replaced("tests/test_cache.py", t)),
    )
    yield (
        "link, then rename through it",
        lambda aim: link("way", str(aim)) + moved("rename", "way/outside.txt"),
    )
    yield (
        "links that leave together",
        lambda _: link("a/b/c/up", "../../..") + link("way", "a/b/c/up/../outside"),
    )
    yield "links in a ring", _fixed(link("one", "two") + link("two", "one"))
    yield "a link under a link", _fixed(link("way", "src") + link("way/in", "/"))
    yield "file, then link of its name", lambda aim: new("way") + link("way", str(aim))
    yield "link, then file of its name", lambda aim: link("way", str(aim)) + new("way")


def _all_tests_gone() -> str:
    return "diff --git a/tests/test_cache.py b/tests/test_cache.py\ndeleted file mode 100644\n"


def _replaced(name: str, target: str) -> str:
    return f"diff --git a/{name} b/{name}\ndeleted file mode 100644\n" + link(name, target)


def _modes() -> Iterator[tuple[str, str]]:
    for mode in (
        "100755",
        "104755",
        "100666",
        "040000",
        "160000",
        "777777",
        "0",
        "-1",
        "9" * 30,
        "x",
        "120777",
    ):
        yield f"mode of a new file, {mode}", new("made.py", "mark\n", mode)
        yield f"mode changed to {mode}", f"diff --git a/{_GOOD} b/{_GOOD}\nold mode 100644\nnew mode {mode}\n"
    for name in ("lib", "src", ".git", "../lib", "tests", ".git/modules/x"):
        yield f"submodule {name}", submodule(name)
    yield "submodule with a short commit", submodule("lib", "1")
    yield (
        "submodule and its address",
        submodule("lib") + new(".gitmodules", '[submodule "lib"]\nurl=ext::sh -c x\n'),
    )
    yield "submodule and a file in it", submodule("lib") + new("lib/outside.py")


def _hunks(good: str) -> Iterator[tuple[str, str]]:
    head, at, rest = good.partition("@@ ")
    tail = rest.partition("\n")[2]
    counts = (
        "-0,0 +0,0", "-1,999999999 +1,999999999", "-1,4294967296 +1,4294967296", "-1,-5 +1,-5",
        f"-{2**63},{2**63} +{2**63},{2**63}", f"-{'9' * 5000},1 +1,1", "-0 +0", "-1 +1,", "- +", "-a,b +c,d",
        "-18446744073709551615,7 +38,7", "-38,7 +38,0", "-38,0 +38,7", "",
    )  # fmt: skip
    for number, count in enumerate(counts):
        yield f"hunk header {number}", f"{head}@@ {count} @@\n{tail}"
    yield "a hundred thousand empty hunks", head + "@@ -1,0 +1,0 @@\n" * 100_000
    yield "ten thousand hunks", head + "".join(f"@@ -{n},1 +{n},1 @@\n-x\n+y\n" for n in range(10_000))
    yield "hunks backwards", head + (at + rest) + "@@ -1,1 +1,1 @@\n-x\n+y\n"
    yield "a hunk twice", head + (at + rest) * 2
    yield "no context", head + "@@ -41 +41 @@\n-x\n+y\n"
    yield "only marks of no newline", head + "@@ -1,1 +1,1 @@\n" + "\\ No newline at end of file\n" * 50
    yield "ten million blank lines", head + at + rest + "\n" * 10_000_000


def _texts(good: str) -> Iterator[tuple[str, str]]:
    yield "crlf", good.replace("\n", "\r\n")
    yield "cr", good.replace("\n", "\r")
    yield "crlf in headers alone", good.replace("\n", "\r\n", 4)
    yield "utf-16", good.encode("utf-16").decode("latin-1")
    yield "utf-16 with nuls", "\0".join(good)
    yield "byte order mark", "\ufeff" + good
    yield "latin-1 bytes", new("names.py", "# \udce9\udcff\n")
    yield "broken utf-8 in source", new("src/routekit/broken.py", "x = '\udcc3\udc28'\n")
    yield "lone surrogates", good + "\ud800\udc00\ud800"
    yield "nul in a line", good.replace("popitem", "pop\0item")
    yield "nul in a new file", new("nul.py", "a\0b\n")
    yield "nul alone", "\0"
    yield "nuls", "\0" * 100_000
    yield "escapes", new("esc.py", "\x1b[2J\x1b]0;x\x07\n")
    yield "empty", ""
    yield "blanks alone", " \n\t\n"
    yield "prose", "I would change the cache so that it works."
    yield "fenced", f"```diff\n{good}```\n"
    yield "commands", "#!/bin/sh\ntouch outside.txt\nrm -rf /\n"
    yield "mail", f"From: a@example.org\nSubject: [PATCH] x\n\n---\n{good}-- \n2.40\n"
    yield (
        "binary that differs",
        f"diff --git a/{_GOOD} b/{_GOOD}\nBinary files a/{_GOOD} and b/{_GOOD} differ\n",
    )
    for size in ("5", "99999999999", "-1", "x"):
        yield f"binary literal of {size}", _binary(f"literal {size}")
        yield f"binary delta of {size}", _binary(f"delta {size}")
    yield "binary that is no base 85", _binary("literal 5", "M\x01\x02\x03\n")
    yield "binary outside", _binary("literal 5", name="../outside.bin")
    yield "ed script", "1,5d\nw outside.txt\nq\n"
    yield "ed command", "0a\n!touch outside.txt\n.\nw\n"
    yield (
        "context diff",
        f"*** a/{_GOOD}\n--- b/{_GOOD}\n***************\n*** 1,2 ****\n! x\n--- 1,2 ----\n! y\n",
    )
    yield "index lines of no object", good.replace("@@", "@@", 1).replace("index ", f"index {'f' * 40}..", 1)


def _binary(header: str, data: str = "McmZQzAO8Fc\n", name: str = "blob.bin") -> str:
    return (
        f"diff --git a/{name} b/{name}\nnew file mode 100644\nindex {'0' * 40}..{'1' * 40}\n"
        f"GIT binary patch\n{header}\n{data}\nliteral 0\nHcmV?d00001\n\n"
    )


def _repeated(good: str) -> Iterator[tuple[str, str]]:
    yield "a patch twice", good + good
    yield "a new file twice", new("made.py") + new("made.py")
    yield "a file and a folder of its name", new("made") + new("made/inner.py")
    yield "a folder and a file of its name", new("made/inner.py") + new("made")
    yield "a file in place of the package", new("src")
    yield "a folder in place of a file", new(f"{_GOOD}/inner.py")
    yield (
        "renames in a ring",
        (
            f"diff --git a/{_GOOD} b/src/routekit/__init__.py\nsimilarity index 100%\n"
            f"rename from {_GOOD}\nrename to src/routekit/__init__.py\n"
            f"diff --git a/src/routekit/__init__.py b/{_GOOD}\nsimilarity index 100%\n"
            f"rename from src/routekit/__init__.py\nrename to {_GOOD}\n"
        ),
    )
    yield "copies of copies", "".join(moved("copy", f"copy{n}.py") for n in range(60))
    yield "names that differ by case", new("Made.py") + new("made.py") + new("MADE.py")
    yield "two hundred files", "".join(new(f"many/{n}.py") for n in range(200))
    yield "a test file of the hidden tests", new("tests/test_cache.py")
    yield "tests as a file", _all_tests_gone() + new("tests")


def _damaged(good: str, seed: int) -> str:
    """The good patch with some of its bytes, words or lines taken out, doubled or replaced."""
    chance = random.Random(seed)
    pieces = list(good) if seed % 2 else good.splitlines(keepends=True)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(pieces))
        what = chance.randrange(4)
        if what == 0:
            pieces[place] = ""
        elif what == 1:
            pieces.insert(place, pieces[chance.randrange(len(pieces))])
        elif what == 2:
            pieces[place] = "".join(chr(chance.randrange(1, 0x3000)) for _ in range(chance.randint(1, 20)))
        else:
            pieces[place:] = ["\n"]
    return "".join(pieces)
