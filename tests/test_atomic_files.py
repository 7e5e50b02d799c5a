"""The two writers of whole files, of tensors and of tasks: one contract."""

import os
import stat
import threading

import pytest

import swebench.files
import vectors.files


@pytest.fixture(params=["bytes", "text"])
def write(request):
    if request.param == "text":
        return swebench.files.write_atomic
    return lambda path, text: vectors.files.write_atomic(path, text.encode())


def test_what_is_written_is_what_was_given_to_the_last_line_end(write, tmp_path):
    path = tmp_path / "new" / "folders" / "file"
    for text in ("α\r\nβ\n", ""):
        write(path, text)
        assert path.read_bytes() == text.encode()
        assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_file_may_be_read_by_whom_the_user_lets_read(write, tmp_path):
    umask = os.umask(0o027)
    try:
        write(tmp_path / "file", "x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(write, tmp_path, monkeypatch):
    write(tmp_path / "file", "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", "new")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_the_content_is_on_the_disk_before_it_takes_the_name(write, tmp_path, monkeypatch):
    path, synced = tmp_path / "file", []
    write(path, "old")
    sync = os.fsync

    def watch(descriptor):
        sync(descriptor)
        synced.append((path.read_text(), os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", watch)
    write(path, "newer")
    assert synced == [("old", 5)]
    assert path.read_text() == "newer"


def test_writers_at_once_do_not_disturb_one_another_and_readers_never_see_a_part(write, tmp_path):
    path, texts, seen = tmp_path / "file", [letter * 100_000 for letter in "abcd"], set()
    write(path, texts[0])
    writers = [threading.Thread(target=lambda t=t: [write(path, t) for _ in range(10)]) for t in texts]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_text())
    assert seen <= set(texts)
    assert path.read_text() in texts
    assert len(list(tmp_path.iterdir())) == 1
