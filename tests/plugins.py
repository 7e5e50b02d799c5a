"""Installs a plug-in as its user would: a package of one module with a pyproject.toml, by pip."""

import subprocess
import sys
import textwrap
from pathlib import Path

_PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1.0"
[project.entry-points."{group}"]
{entries}
[tool.setuptools]
py-modules = ["{module}"]
"""


def documented(section: str) -> str:
    """The Python code of a section of docs/plugins.md: what a reader of the page builds."""
    page = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text("utf-8")
    return page.split(f"\n## {section}\n")[1].split("\n## ")[0].split("```python\n")[1].split("```")[0]


def install(folder: Path, name: str, source: str, group: str, **entries: str) -> Path:
    """Build the plug-in `name` and install it, without any network, into a folder to put on the path.

    Its one module holds `source`; `entries` are the names in `group` and the attributes that they stand for.
    """
    module = name.replace("-", "_")
    project, site = folder / name, folder / "site"
    project.mkdir(parents=True)
    lines = "\n".join(f'"{entry}" = "{module}:{attribute}"' for entry, attribute in entries.items())
    text = _PROJECT.format(name=name, module=module, group=group, entries=lines)
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    (project / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(project)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site
