"""Which paths a patch or a tree may name: those inside the tree, and never git's own files."""


def path_problem(path: str) -> str:
    """Why `path` (relative, slash-separated) may not be written below a tree's root; empty if it may.

    Spellings that other file systems take for `.git` (any case, trailing dots or spaces, the short name)
    count as `.git`.
    """
    if path.startswith("/"):
        return f"{path!r} is absolute"
    if "\0" in path:
        return f"{path!r} holds a NUL"
    for part in path.split("/"):
        if part in {"", ".", ".."}:
            return f"{path!r} is not a plain path inside the tree"
        if part.lower().rstrip(". ") in {".git", "git~1"}:
            return f"{path!r} touches git's own files"
    return ""
