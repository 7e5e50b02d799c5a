"""Patches that are meant to do harm, through the validity check and the grading of a bundled task."""

import hashlib
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from retrieval.gitio import Git
from swebench.data.bundles import bundled_files, ensure_repositories
from swebench.data.loading import load_instances
from swebench.data.rows import read_rows
from swebench.grading.verdicts import grade
from swebench.patches.validity import check_patch
from swebench.running.hearing import Status
from tests.swebench.grading.hostile import corpus, new

INSTANCE = load_instances("bundled").get("cobaltkit__routekit-17")
# Says nothing, so it is quick; everything before and after it is the real thing.
QUICK = replace(INSTANCE, task=replace(INSTANCE.task, test_cmd="python -c pass"))
PATCHES = corpus(INSTANCE.patch)

OUT_OF_BOUNDS = (
    "parent", "far parent", "inner parent", "parent at the end", "dots", "dot", "absolute", "git config",
    "git hook", "git in capitals", "git mixed", "git with a dot", "git with a blank", "git short name",
    "git stream", "git with an ignorable", "git file", "nested git", "git by backslash", "quoted parent",
    "quoted git", "absolute with two slashes", "long name", "long path", "very long path",
)  # fmt: skip
NEVER_APPLY = {f"{what}, {name}" for what in ("new file", "rename") for name in OUT_OF_BOUNDS}
# What is left of a link with a file of its name is that file.
NEVER_VALID = {name for name in PATCHES if name.startswith(("link", "submodule")) and "then file" not in name}


class Watched(tempfile.TemporaryDirectory):
    """A temporary folder that looks into itself before it goes."""

    strays: ClassVar[list[str]] = []

    def cleanup(self):
        root = Path(self.name)
        if root.is_dir() and root.name.startswith(("scratch-", "tests-")):
            allowed = (
                {"objects", "index", "refs", "HEAD", "config"}
                if root.name.startswith("scratch")
                else {"tree", "home", "log", "reporter", "report"}
            )
            self.strays += [str(path) for path in root.iterdir() if path.name not in allowed]
            self.strays += [str(path) for path in _links_out_of(root / "tree")]
        elif root.is_dir() and root.name.startswith("patch-"):
            self.strays += [str(path) for path in root.rglob("*") if path.is_symlink()]
        super().cleanup()


def _links_out_of(tree: Path) -> list[Path]:
    found = (Path(base, name) for base, *names in os.walk(tree) for name in [*names[0], *names[1]])
    inside = tree.resolve()
    return [
        path
        for path in found
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside)
    ]


def listing(folder: Path) -> dict[str, str]:
    """Every path below a folder with its mode and a hash of what it holds."""
    found = {}
    for base, folders, files in os.walk(folder):
        for path in (Path(base, name) for name in [*folders, *files]):
            held = os.fsencode(path.readlink()) if path.is_symlink() else b""
            if path.is_file() and not path.is_symlink():
                held = path.read_bytes()
            found[str(path)] = f"{path.lstat().st_mode:o} {hashlib.sha256(held).hexdigest()}"
    return found


@pytest.fixture(scope="module")
def yard(tmp_path_factory, with_environments):
    """A folder with all that could be reached nearby: repository, home, working folder, temporary files."""
    folder = tmp_path_factory.mktemp("yard")
    for name in ("home", "here", "tmp", "aim"):
        (folder / name).mkdir()
        (folder / name / "canary.txt").write_text("alive\n")
    ensure_repositories(folder / "cache", Git)
    with_environments(folder / "cache")
    return folder


@pytest.fixture
def watched(yard, monkeypatch):
    monkeypatch.setenv("HOME", str(yard / "home"))
    monkeypatch.chdir(yard / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(yard / "tmp"))
    monkeypatch.setattr(tempfile, "TemporaryDirectory", Watched)
    monkeypatch.setattr(Watched, "strays", [])
    return yard


@pytest.fixture(scope="module")
def repository(yard):
    return Git(next((yard / "cache" / "bundled").glob("*/cobaltkit__routekit.git")))


def test_there_are_over_two_hundred_hostile_patches():
    assert len(PATCHES) > 200
    assert PATCHES.keys() > NEVER_APPLY | NEVER_VALID


@pytest.mark.parametrize("name", PATCHES)
def test_a_hostile_patch_gets_a_verdict_and_reaches_nothing_outside_its_tree(
    name, watched, repository, test_bed
):
    patch = PATCHES[name](watched / "aim")
    before = listing(watched)
    checked = check_patch(repository, INSTANCE.task.base_commit, patch)
    verdict = grade(QUICK, repository, patch, test_bed=test_bed)
    assert listing(watched) == before
    assert Watched.strays == []
    assert verdict.reason and len(verdict.reason.splitlines()) == 1 and not verdict.resolved
    assert checked.applies or checked.problems
    assert checked.applies <= verdict.applied or "cannot be used" in verdict.reason
    if name in NEVER_APPLY:
        assert not checked.applies and not verdict.applied
    if name in NEVER_VALID:
        assert not checked.valid


def test_a_file_in_the_place_of_the_tests_gives_way_to_the_hidden_tests(watched, repository, test_bed):
    listed = repository("ls-tree", "-r", "--name-only", INSTANCE.task.base_commit, "tests")
    gone = "".join(
        f"diff --git a/{name} b/{name}\ndeleted file mode 100644\n" + _removed(repository, name)
        for name in listed.decode().split()
    )
    verdict = grade(INSTANCE, repository, gone + new("tests"), test_bed=test_bed)
    assert verdict.applied
    assert all(status is not Status.MISSING for status in verdict.f2p.values())


def _removed(repository: Git, name: str) -> str:
    text = repository("show", f"{INSTANCE.task.base_commit}:{name}").decode()
    lines = text.splitlines(keepends=True)
    header = f"--- a/{name}\n+++ /dev/null\n@@ -1,{len(lines)} +0,0 @@\n"
    return header + "".join(f"-{line}" for line in lines) if lines else ""


@pytest.mark.slow
def test_the_command_line_gives_each_of_a_file_a_line_and_the_good_one_still_counts(
    watched, tmp_path, monkeypatch, capsys
):
    from orchestrator.cli import main

    row = next(
        row
        for path in bundled_files()
        for _, row in read_rows(path)
        if row["instance_id"] == INSTANCE.instance_id
    )
    chosen = ["links that leave together", "50 MB in one line"]
    patches = [*(PATCHES[name](watched / "aim") for name in chosen), INSTANCE.patch]
    rows, predictions = tmp_path / "rows.jsonl", tmp_path / "predictions.jsonl"
    ids = [f"hostile-{number}" for number in range(len(patches))]
    rows.write_text("".join(json.dumps({**row, "instance_id": each}) + "\n" for each in ids))
    lines = [
        {"instance_id": each, "model_name_or_path": "hostile", "model_patch": patch}
        for each, patch in zip(ids, patches, strict=True)
    ]
    predictions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = listing(watched / "home") | listing(watched / "aim") | listing(watched / "here")
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(watched / "cache"))
    with pytest.raises(SystemExit) as ended:
        main(["grade", str(predictions), "--dataset", str(rows), "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)["instances"]
    assert list(found) == ids and all(row["certified"] for row in found.values())
    assert [row["resolved"] for row in found.values()] == [False, False, True]
    assert listing(watched / "home") | listing(watched / "aim") | listing(watched / "here") == before
    assert Watched.strays == []
