"""Ctrl-C is heeded at once, but for an import, which is let through first."""

import importlib
import os
import signal
import time

import pytest

from orchestrator.cli.interruption import after_imports


def test_an_import_is_let_through_before_ctrl_c_is_heeded(tmp_path, monkeypatch):
    (tmp_path / "interrupted_module.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nDONE = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), after_imports():
        assert importlib.import_module("interrupted_module").DONE
        time.sleep(200)  # it is woken


def test_outside_imports_it_is_heeded_at_once_and_afterwards_as_before():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), after_imports():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(200)
    assert signal.getsignal(signal.SIGINT) is before


def test_who_heeds_it_already_goes_on_to():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with after_imports():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]
