"""Ctrl-C ends a command with one line and 130, whatever it is doing; `interrupt` does it more often."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import interruption
from tests.orchestrator.cli.interrupt import interrupt_at_random
from tests.services.conftest import until

COMMANDS = ("evaluate", "chat", "keys")
_HEEDED = """
import os, signal, sys, time, threading, asyncio
from orchestrator.cli import interruption, main
import orchestrator.cli as cli
def command(**_):
    {body}
cli.cli.main = command
main()
"""


def interrupted(body):
    """A command that interrupts itself; its exit code, stdout and stderr."""
    source = _HEEDED.format(body=body.replace("\n", "\n    "))
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def gone(process):
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


SELF = "os.kill(os.getpid(), signal.SIGINT)\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_at_random_moments_every_command_ends_so_and_leaves_what_can_be_gone_on_with(
    tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    found = interrupt_at_random(tmp_path, tiny_model, len(COMMANDS), names=COMMANDS)
    assert found["interruptions"] == len(found["seconds"]) == len(COMMANDS)


def test_an_import_is_let_through_before_ctrl_c_is_heeded(tmp_path, monkeypatch):
    (tmp_path / "interrupted_module.py").write_text(f"import os, signal\n{SELF}print('whole', flush=True)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    code, out, err = interrupted("import interrupted_module\ntime.sleep(200)")
    assert (code, out, err) == (130, "whole\n", "interrupted\n")


@pytest.mark.parametrize(
    "body",
    [
        f"{SELF}time.sleep(200)",
        # A finalizer cannot raise it.
        f"class Last:\n    def __del__(self):\n        {SELF}\nLast()\ntime.sleep(200)",
        # A library that passes over it.
        f"try:\n    {SELF}    time.sleep(200)\nexcept KeyboardInterrupt:\n    time.sleep(200)",
        # A thread that nothing ends, whom the interpreter would wait for.
        f"threading.Thread(target=time.sleep, args=(200,)).start()\n{SELF}time.sleep(200)",
        # An event loop and a thread of it.
        "async def work():\n    await asyncio.to_thread(time.sleep, 200)\n"
        f"threading.Timer(0.2, lambda: {SELF.strip()}).start()\nasyncio.run(work())",
    ],
    ids=["at once", "finalizer", "passed over", "thread", "loop"],
)
def test_whatever_goes_on_it_ends_with_one_line(body):
    assert interrupted(body) == (130, "", "interrupted\n")


def test_what_is_said_is_what_is_true_then():
    line = "interrupted: nothing was kept"
    assert interrupted(f"interruption.says({line!r})\n{SELF}") == (130, "", line + "\n")


def test_a_loops_tasks_are_cancelled_and_clean_up():
    body = (
        "async def work():\n    try:\n        await asyncio.sleep(200)\n"
        "    finally:\n        print('cleaned up', flush=True)\n"
        f"threading.Timer(0.2, lambda: {SELF.strip()}).start()\nasyncio.run(work())"
    )
    assert interrupted(body) == (130, "cleaned up\n", "interrupted\n")


def test_temporary_files_and_processes_of_one_that_is_left_in_a_hurry_go_too(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    body = (
        "import subprocess, tempfile\ntempfile.mkdtemp()\n"
        "process = subprocess.Popen(['sleep', '200'], start_new_session=True)\n"
        f"print(process.pid, flush=True)\ntry:\n    {SELF}    time.sleep(200)\n"
        "except KeyboardInterrupt:\n    time.sleep(200)"
    )
    code, out, _ = interrupted(body)
    assert code == 130
    until(lambda: not list(tmp_path.iterdir()) and gone(int(out)))


def test_who_ignores_it_goes_on_to():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.heeded():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_afterwards_it_is_heeded_as_before():
    before = signal.getsignal(signal.SIGINT)
    with interruption.heeded():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
