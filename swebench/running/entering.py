"""Puts a tree's packages onto the path of this process, and of those that it starts.

Runs on the Python of the project's environment, 3.6 or later; `launch` and `reproduce` run this file by its
path, once everything that they need themselves is loaded. So a tree may hold packages that are named like
modules of Python's own: these are put aside, and the next who imports that name gets the tree's.
"""

import os
import sys


def enter(root: str, sources: "list[str]") -> None:
    """Put the folders of packages that there are first; modules of the same names that are loaded go."""
    sources = [os.path.abspath(source) for source in sources]
    sources = [source for source in sources if os.path.isdir(source)]
    sys.path[:0] = sources
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*sources, *([others] if others else [])])
    own = {
        name[: -len(".py")] if name.endswith(".py") else name
        for source in sources
        if (source + os.sep).startswith(root + os.sep)
        for name in os.listdir(source)
        if name.endswith(".py") or os.path.isfile(os.path.join(source, name, "__init__.py"))
    }
    for loaded in list(sys.modules):
        if loaded.split(".")[0] in own - {"__main__"}:
            del sys.modules[loaded]
