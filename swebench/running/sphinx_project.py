"""A Sphinx project for the pages that an issue shows: builds them, and prints what comes out.

Runs in the repository's environment beside the code, on Python 3.6 or later; nothing of this project is
imported here.
"""

import importlib
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

_MODULE = re.compile(r"\.\. (?:auto\w+|py:\w+|currentmodule|module)::\s+([\w.]+)")
_EXTENSIONS = (
    (r"\.\. auto(?!summary)\w+::", "sphinx.ext.autodoc"),
    (r"\.\. autosummary::", "sphinx.ext.autosummary"),
    (r"\.\. todo", "sphinx.ext.todo"),
    (r"\.\. inheritance-diagram::", "sphinx.ext.inheritance_diagram"),
    (r"\.\. graphviz::|\.\. digraph::", "sphinx.ext.graphviz"),
    (r":math:|\.\. math::", "sphinx.ext.mathjax"),
)  # fmt: skip
_BODY = re.compile(r'<div class="body" role="main">(.*?)</div>\s*</div>\s*</div>', re.DOTALL)


def build(names: "dict[str, Any]", page: str, module: str, builder: str) -> None:
    """Build a page and print its warnings, and of HTML the body, without the folder that it was built in.

    `names` holds the values of settings; `module` is the source of the module that the page documents.
    Raises what Sphinx raises.
    """
    folder = Path(tempfile.mkdtemp()).resolve()
    documented = next((found.split(".")[0] for found in _MODULE.findall(page)), "example")
    if documented in sys.modules or not documented.isidentifier():
        documented = "example"
    (folder / f"{documented}.py").write_text(module, "utf-8")
    (folder / "index.rst").write_text(page, "utf-8")
    sys.path.insert(0, str(folder))
    sphinx = importlib.import_module("sphinx.application").Sphinx
    config = importlib.import_module("sphinx.config").Config
    known = set(config.config_values) | {"extensions"}
    wanted = list(names.get("extensions", ())) + [name for mark, name in _EXTENSIONS if re.search(mark, page)]
    settings = {
        name: value
        for name, value in names.items()
        if (name in known or name.startswith(("autodoc_", "autosummary_", "napoleon_", "html_", "latex_")))
        and isinstance(value, (bool, int, str, list, tuple, dict))
    }
    away = "sphinx.ext.intersphinx"  # asks the network
    usable = [name for name in dict.fromkeys(wanted) if name != away and _is_there(name)]
    settings.update({"extensions": usable, "project": "issue", "master_doc": "index", "root_doc": "index"})
    settings = {name: value for name, value in settings.items() if name != "root_doc" or name in known}
    warnings = io.StringIO()
    out = str(folder / "_build")
    sphinx(str(folder), None, out, out, builder, settings, None, warnings, freshenv=True).build(True)
    said = re.sub(r"\x1b\[[\d;]*m", "", warnings.getvalue()).replace(f"{folder}/", "")
    print(re.sub(r"^\S+:(?:\d+:)? (?=WARNING|ERROR)", "", said, flags=re.MULTILINE).strip())
    for made in Path(out).glob("index.html" if builder == "html" else "*.tex"):
        text = made.read_text("utf-8")
        body = _BODY.search(text)
        print((body.group(1) if body else text).strip())


def _is_there(name: str) -> bool:
    try:
        return importlib.import_module(name) is not None
    except Exception:  # whatever its import raises, no page can be built with it
        return False
