import dataclasses
import os
import threading
import time
from pathlib import Path

import pytest

from swebench.errors import NotGradeable, UnsafePath
from swebench.patches.export import export
from swebench.patches.trees import Scratch
from swebench.running.runner import isolation, parse_command, run_tests
from swebench.running.stopping import Abandoned, heed
from tests.swebench.conftest import HERE, commit, opened, run_git

needs_isolation = pytest.mark.skipif(not isolation(), reason="this system does not let users make namespaces")


@pytest.fixture
def run(make_repository):
    """Runs a script as the only file of a repository."""

    def run(script: str, timeout_s: float = 30.0, arguments: str = ""):
        folder, base = make_repository({"script.py": script})
        with Scratch(opened(folder), base) as scratch:
            return run_tests(
                scratch, scratch.base, parse_command(f"python script.py {arguments}"), timeout_s, HERE
            )

    return run


def test_exit_code_output_and_time_are_reported(run):
    found = run(
        "import sys\nprint('out', sys.argv[1:])\nprint('err', file=sys.stderr)\nsys.exit(3)",
        30,
        "'a b' '$HOME;ls'",
    )
    assert found.exit_code == 3 and not found.timed_out and found.seconds > 0
    assert "out ['a b', '$HOME;ls']" in found.log and "err" in found.log


def test_the_environment_is_clean_and_the_home_empty(run, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "sesame")
    found = run(
        "import os\nprint(sorted(os.environ.items()), os.listdir(os.path.expanduser('~')), os.getcwd())"
    )
    assert "sesame" not in found.log and str(Path.home()) + "'" not in found.log
    assert "('LANG', 'C.UTF-8')" in found.log and " [] " in found.log


def test_the_tree_holds_no_git_and_is_gone_afterwards(run):
    found = run("import os\nprint(os.listdir('.'), os.listdir('..'))\nprint('CWD', os.getcwd())")
    assert "['script.py']" in found.log and ".git" not in found.log
    assert not Path(found.log.split("CWD ")[1].strip()).exists()


@pytest.mark.parametrize(
    "prefix", dict.fromkeys([(), isolation()]), ids=lambda prefix: "isolated" if prefix else "not isolated"
)
def test_a_run_that_takes_too_long_is_killed_with_all_it_started(run, tmp_path, monkeypatch, prefix):
    monkeypatch.setattr("swebench.running.runner.isolation", lambda: prefix)
    mark = tmp_path / "alive"
    script = (
        "import subprocess, sys, time\n"
        'child = \'import sys, time\\nwhile True: open(sys.argv[1], "a").write("x"); time.sleep(0.05)\'\n'
        f"subprocess.Popen([sys.executable, '-c', child, {str(mark)!r}])\n"
        "print('started', flush=True)\ntime.sleep(60)"
    )
    # The limit must not end before both have started, and how long that takes depends on the machine.
    for timeout_s in (1.5, 6.0, 25.0):
        found = run(script, timeout_s)
        if mark.exists():
            break
    assert found.timed_out and found.exit_code != 0 and "started" in found.log
    assert found.isolated == bool(prefix)
    size = mark.stat().st_size
    time.sleep(0.3)
    assert mark.stat().st_size == size > 0


@needs_isolation
def test_a_process_that_leaves_the_session_does_not_outlive_the_run(run, tmp_path):
    mark = tmp_path / "alive"
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    while True:\n"
        f"        open({str(mark)!r}, 'a').write('x')\n        time.sleep(0.05)\n"
        f"while not os.path.exists({str(mark)!r}):\n    time.sleep(0.01)"
    )
    assert run(script).exit_code == 0
    size = mark.stat().st_size
    time.sleep(0.3)
    assert mark.stat().st_size == size > 0


@needs_isolation
def test_what_is_shared_with_later_runs_cannot_be_written_to(make_repository, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "file").write_text("as it was")
    script = (
        "import os, sys\n"
        "try:\n    open(sys.argv[1], 'w')\nexcept OSError as error:\n    print(error)\n"
        "open('own', 'w').write('x')\nprint('wrote to the tree')"
    )
    folder, base = make_repository({"script.py": script})
    within = dataclasses.replace(HERE, kept=(tmp_path / "shared",))
    with Scratch(opened(folder), base) as scratch:
        command = parse_command(f"python script.py {tmp_path}/shared/file")
        found = run_tests(scratch, scratch.base, command, 30, within)
    assert "Read-only file system" in found.log and "wrote to the tree" in found.log
    assert (tmp_path / "shared" / "file").read_text() == "as it was"


@needs_isolation
def test_there_is_no_network_but_the_loopback(run):
    script = (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\nprint('loopback works')\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
        "except OSError as error:\n    print('outside:', error)\n"
    )
    found = run(script)
    assert found.isolated and "loopback works" in found.log and "outside: [Errno 101]" in found.log


def test_memory_and_file_size_are_limited(run):
    script = (
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    bytearray(1 << 36)\nexcept MemoryError:\n    print('no memory')\n"
        "try:\n    open('big', 'wb').truncate(1 << 40)\n"
        "except OSError as error:\n    print('no file:', error)\n"
    )
    found = run(script)
    assert "no memory" in found.log and "no file:" in found.log


def test_a_run_killed_by_a_signal_does_not_look_like_a_success(run):
    assert run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)").exit_code not in {0, 1}


@pytest.mark.parametrize(
    "command", ["", "  ", "python 'unbalanced", "no-such-program-here --x", "python a\0b", "python \ud800"]
)
def test_a_command_that_cannot_be_run_is_refused_before_anything_runs(command):
    with pytest.raises(NotGradeable):
        parse_command(command)


def test_exported_files_are_those_of_the_commit_byte_for_byte(make_repository, tmp_path):
    files = {
        "a.txt": b"x\r\ny\n",
        "dir/\xc3\xbc b.bin": bytes(range(256)),
        "empty": b"",
        "run.sh": b"#!/bin/sh\n",
    }
    folder, _ = make_repository({".gitattributes": "* text eol=crlf export-ignore\n*.txt ident\n", **files})
    (folder / "run.sh").chmod(0o755)
    (folder / "inside").symlink_to("dir")
    (folder / "outside").symlink_to("../../../etc/passwd")
    (folder / "absolute").symlink_to("/etc/passwd")
    run_git(folder, "config", "core.autocrlf", "false")
    base = commit(folder, {})
    out = tmp_path / "out"
    out.mkdir()
    with Scratch(opened(folder), base) as scratch:
        export(scratch, scratch.base, out)
        for entry in scratch.entries(scratch.base):
            if entry.mode != "120000":
                assert (out / entry.path).read_bytes() == next(scratch.blobs([entry.blob]))
    assert os.access(out / "run.sh", os.X_OK) and not os.access(out / "a.txt", os.X_OK)
    assert (out / "inside").is_symlink() and (out / "inside").resolve() == out / "dir"
    for name in ("outside", "absolute"):
        assert not (out / name).is_symlink() and "etc/passwd" in (out / name).read_text()


@pytest.mark.parametrize(
    "listing",
    [
        "100644 blob {blob}\t..\n",
        "040000 tree {tree}\t..\n",
        "040000 tree {tree}\t.git\n",
        "120000 blob {link}\tdir\n040000 tree {tree}\tdir\n",
    ],
    ids=["file above", "folder above", "git's folder", "link and folder of one name"],
)
def test_a_crafted_tree_cannot_write_outside_its_folder(make_repository, tmp_path, listing):
    folder, base = make_repository({"x": "x"})
    git = opened(folder)
    blob = git("hash-object", "-w", "--stdin", stdin=b"owned").decode().strip()
    link = git("hash-object", "-w", "--stdin", stdin=str(tmp_path).encode()).decode().strip()
    tree = git("mktree", stdin=f"100644 blob {blob}\towned\n".encode()).decode().strip()
    crafted = git("mktree", stdin=listing.format(blob=blob, tree=tree, link=link).encode())
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    with Scratch(git, base) as scratch, pytest.raises(UnsafePath):
        export(scratch, crafted.decode().strip(), out)
    assert not (tmp_path / "owned").exists() and not (tmp_path / "deep" / "owned").exists()


def test_a_run_that_nobody_waits_for_any_more_is_killed(run, tmp_path):
    begun, unwanted = tmp_path / "begun", threading.Event()
    raised = []

    def work():
        heed(unwanted)
        try:
            run("import pathlib, sys, time\npathlib.Path(sys.argv[1]).touch()\ntime.sleep(600)", 600, begun)
        except Abandoned as error:
            raised.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    while not begun.exists():
        time.sleep(0.01)
    unwanted.set()
    thread.join()
    assert raised == ["the test run was stopped: nobody waits for it any more"]
