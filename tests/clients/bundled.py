"""A bundled task's tree and issue, for an agent that works on files."""

import shutil
import subprocess
from pathlib import Path

from orchestrator.settings import Settings
from retrieval.gitio import Git
from swebench.data.bundles import ensure_repositories
from swebench.data.loading import load_instances

INSTANCE = "harborlab__tidetable-23"


def lay_out(folder: Path) -> tuple[Path, Path]:
    """Write the tree at the base commit, which anybody may change, and the issue; returns where they are."""
    task = load_instances("bundled").get(INSTANCE).task
    bare = ensure_repositories(Settings().cache, Git) / f"{task.repo.replace('/', '__')}.git"
    tree, issue = folder / "tree", folder / "issue.md"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", bare, tree], check=True)
    subprocess.run(["git", "-C", tree, "checkout", "--quiet", task.base_commit], check=True)
    shutil.rmtree(tree / ".git")
    for each in (tree, *tree.rglob("*")):
        each.chmod(0o777 if each.is_dir() else 0o666)
    issue.write_text(task.problem_statement)
    return tree, issue
