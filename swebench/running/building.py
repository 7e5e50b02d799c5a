"""Makes an environment for a project's tests in the cache, from what the project's files say; once for each
state of these files.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swebench.errors import EnvironmentUnavailable, GitFailed
from swebench.patches.export import export
from swebench.patches.plumbing import Git, output
from swebench.patches.trees import Scratch
from swebench.running.products import Products, keep_products, kept_products, make_repository
from swebench.running.project_requirements import Recipe
from swebench.running.venvs import complete, environments_below, make_venv, pip_environment, run

_RECIPE = 1
"""Part of each environment's digest: raise it when environments are made in another way."""
_NO_TAG = "0.1.0"


@dataclass(frozen=True)
class Built:
    """An environment's folder, and what installing the project wrote into its tree."""

    folder: Path
    products: Products


def build(
    cache: Path,
    git: Git,
    commit: str,
    folder: str,
    python: Path,
    made_of: Recipe,
    progress: Callable[[str, int, int], None],
) -> Built:
    """The environment of the project in a sub-folder of a commit, made where it is not there yet.

    Raises EnvironmentUnavailable, CommitMissing, GitFailed.
    """
    with Scratch(git, commit) as scratch:
        inside = f"{folder}/" if folder else ""
        wanted = {inside + path for path in made_of.sources}
        blobs = [(each.path, each.blob) for each in scratch.entries(scratch.base) if each.path in wanted]
    content = json.dumps([_RECIPE, str(python.resolve()), folder, repr(made_of), blobs])
    place = environments_below(cache) / f"project-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    label = f"making an environment of {made_of.text}"

    def make(target: Path) -> dict[str, object]:
        progress(label, 0, 1)
        try:
            _make(target, git, commit, folder, python, made_of)
        except EnvironmentUnavailable as failed:
            raise EnvironmentUnavailable(
                f"no environment could be made for the project's tests: {failed}; make one yourself and "
                "name it with --environment DIR"
            ) from None
        progress(label, 1, 1)
        return {"made of": made_of.text}

    complete(place, make)
    return Built(place / "venv", kept_products(place / "products"))


def _make(target: Path, git: Git, commit: str, folder: str, python: Path, made_of: Recipe) -> None:
    log, venv, tree = target / "build.log", target / "venv", target / "source"
    make_venv(python, venv, log)
    variables = pip_environment()
    variables["PATH"] = f"{venv / 'bin'}:{variables['PATH']}"
    tree.mkdir()
    with Scratch(git, commit) as scratch:
        export(scratch, scratch.base, tree)
    own = git.at(tree / ".git")
    make_repository(own, tree, _tag(git, commit))
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install"]
    if made_of.pins:
        pins = target / "pins.txt"
        pins.write_text("\n".join(made_of.pins) + "\n", "utf-8")
        pip += ["--constraint", str(pins)]
    others = [*made_of.requirements, *(word for name in made_of.files for word in ("-r", name))]
    others += [word for name in made_of.groups for word in ("--group", name)]
    if others:
        run([*pip, *others], log, variables, tree / folder)
    if made_of.project:
        extras = f"[{','.join(made_of.extras)}]" if made_of.extras else ""
        try:
            run([*pip, "--editable", f".{extras}"], log, variables, tree / folder)
        except EnvironmentUnavailable:
            run([*pip, f".{extras}"], log, variables, tree / folder)
    keep_products(own, tree, target / "products")
    shutil.rmtree(tree)


def _tag(git: Git, commit: str) -> str:
    """The version that the project is told it has: its last tag."""
    try:
        return output(git, "describe", "--tags", "--abbrev=0", commit).decode().strip()
    except GitFailed:
        return _NO_TAG
