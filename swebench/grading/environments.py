"""Environments that the tests of real repositories run in: one by repository, version and official spec.

Made from the spec at the `environment_setup_commit` and shared by all instances of a repository's version.
The repository is installed once, at that commit, for its dependencies and for what its installation writes
into the tree (metadata, version files, compiled modules). A run gets copies of these in a tree of its own,
which its PYTHONPATH puts before everything installed, so runs know nothing of one another.

A certificate says whether that is good enough for an instance; nothing is assumed.
"""

import hashlib
import json
import re
import shlex
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from swebench.data.recipes import Recipe
from swebench.errors import EnvironmentUnavailable, NotGradeable
from swebench.grading.official.client import Spec
from swebench.grading.requirements import conda_requirements, requirement_lines
from swebench.patches.export import export
from swebench.patches.plumbing import Git
from swebench.patches.trees import Scratch
from swebench.running.products import Products, keep_products, kept_products, make_repository
from swebench.running.runner import givable
from swebench.running.venvs import complete, environments_below, find_python, make_venv, pip_environment, run

_RECIPE = 2
"""Part of each environment's hash: raise it when environments are made in another way."""
_PIP = (("pip", "install"), ("python", "-m", "pip", "install"), ("python3", "-m", "pip", "install"))
_BUILD_TOOLS = ("setuptools<71", "wheel")
"""Setuptools 71 and later refuse what old packages do; on old Pythons an older one is taken anyway."""
_MACHINE = re.compile(r"\b(apt-get|locale-gen|wget|curl|conda)\b|/etc/|/tmp/|/testbed|QHULL")


@dataclass(frozen=True)
class Environment:
    """A complete environment. `digest` names it; `left_out` are requirements that could not be installed."""

    digest: str
    folder: Path
    left_out: tuple[str, ...]

    @property
    def programs(self) -> Path:
        """The folder of its interpreter and scripts."""
        return self.folder / "venv" / "bin"

    @property
    def packages(self) -> tuple[Path, ...]:
        """The folder of its packages."""
        return tuple((self.folder / "venv" / "lib").glob("python*/site-packages"))

    @property
    def products(self) -> Products:
        """What installing wrote into the tree."""
        return kept_products(self.folder / "products")


def spec_of(recipe: Recipe, test_cmd: str) -> Spec:
    """A row's own recipe as a spec. Of its lines only pip's own are run, and by no shell.

    Raises NotGradeable for a line that is not pip's, and for one that pip could not be given.
    """
    for line in recipe.install:
        _pip_arguments(line)
    try:
        givable(recipe.requirements)
        for line in recipe.packages:
            shlex.split(givable(line))
    except ValueError as error:
        raise NotGradeable(f"the packages that its row names cannot be read: {error}") from None
    return Spec(
        python=recipe.python,
        packages="",
        requirements=recipe.requirements,
        conda="",
        pip_packages=recipe.packages,
        pre_install=(),
        install="\n".join(recipe.install),
        eval_commands=(),
        test_cmd=test_cmd,
    )


def _pip_arguments(line: str) -> list[str]:
    try:
        given = shlex.split(givable(line))
    except ValueError:
        given = []
    found = next((given[len(start) :] for start in _PIP if given[: len(start)] == list(start)), None)
    if found is None or any(set(word) & set(";|&`$") for word in found):
        raise NotGradeable(
            f"its row installs with {line[:200]!r}; only `pip install …` is run here, its harness has images"
        )
    return [word for word in found if word != "--no-use-pep517"]


def tree_commands(commands: tuple[str, ...]) -> list[str]:
    """Those of a spec's commands that act on the repository's tree, and not on the machine around it."""
    return [command for command in commands if not _MACHINE.search(command)]


def environment(
    cache: Path, git: Git, repo: str, version: str, commit: str, spec: Spec, *, of_row: bool = False
) -> Environment:
    """The environment of a repository's version, made when it is not there yet, which takes minutes.

    `commit` is the setup commit; `of_row` says that the spec is a row's own: no shell reads its lines, and
    packages of any day are taken. Raises NotGradeable, EnvironmentUnavailable, CommitMissing, GitFailed.
    """
    try:
        givable(version)
    except ValueError as error:
        raise NotGradeable(f"version {version[:80]!r} of its row cannot be read: {error}") from None
    python = find_python(spec.python)
    content = [_RECIPE, repo, version, commit, _BUILD_TOOLS, str(python.resolve()), asdict(spec)]
    content += [of_row] if of_row else []
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    name = re.sub(r"[^\w.-]", "_", f"{repo.replace('/', '__')}-{version}-{digest}")

    def build(folder: Path) -> dict[str, object]:
        try:
            return _build(folder, python, git, version, commit, spec, of_row)
        except EnvironmentUnavailable as failed:
            raise EnvironmentUnavailable(f"no environment for {repo} {version}: {failed}") from None

    folder = environments_below(cache) / name
    left_out = complete(folder, build)["left_out"]
    assert isinstance(left_out, list)
    return Environment(digest, folder, tuple(left_out))


def _build(
    folder: Path, python: Path, git: Git, version: str, commit: str, spec: Spec, of_row: bool
) -> dict[str, object]:
    log, venv, tree = folder / "build.log", folder / "venv", folder / "source"
    make_venv(python, venv, log)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install"]
    variables = pip_environment(dated=not of_row)
    variables["PATH"] = f"{venv / 'bin'}:{variables['PATH']}"
    run([*pip, "--upgrade", *_BUILD_TOOLS], log, variables)
    wanted = (
        requirement_lines(spec.requirements) + conda_requirements(spec.conda) + shlex.split(spec.packages)
    )
    left_out = _install(pip, wanted, folder, log, variables)
    if spec.pip_packages:
        run([*pip, *(word for line in spec.pip_packages for word in shlex.split(line))], log, variables)
    tree.mkdir()
    with Scratch(git, commit) as scratch:
        export(scratch, scratch.base, tree)
    own = git.at(tree / ".git")
    make_repository(own, tree, version)
    if of_row:
        for line in spec.install.splitlines():
            run([*pip, *_pip_arguments(line)], log, variables, tree)
    else:
        # The lines are the official package's own; no value of a row is part of them.
        install = spec.install.replace("--no-use-pep517", "")
        script = "\n".join([*tree_commands(spec.pre_install), install])
        run(["bash", "-e", "-c", script], log, variables, tree)
    keep_products(own, tree, folder / "products")
    shutil.rmtree(tree)
    return {"left_out": left_out, "python": str(python)}


def _install(
    pip: list[str], wanted: list[str], folder: Path, log: Path, variables: dict[str, str]
) -> list[str]:
    """Install requirements together; where that fails, one by one, and return those that cannot be had."""
    if not wanted:
        return []
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(wanted) + "\n", "utf-8")
    try:
        run([*pip, "-r", str(listed)], log, variables)
    except EnvironmentUnavailable:
        return [one for one in wanted if not _installs([*pip, one], log, variables)]
    return []


def _installs(command: list[str], log: Path, variables: dict[str, str]) -> bool:
    try:
        run(command, log, variables)
    except EnvironmentUnavailable:
        return False
    return True
