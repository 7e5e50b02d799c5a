"""What the laboratory's commands are tried with: a folder of one's own, and the tiny model."""

import pytest
import torch

from orchestrator.cli import main


@pytest.fixture
def lab_folder(tmp_path, monkeypatch):
    """A folder to work in, without a network and on one thread: tiny matrices are slower on many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield tmp_path
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Of all commands of a module: vectors are extracted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(capsys, monkeypatch, cache, tiny_model):
    """Exit code, stdout and stderr of a command of the laboratory on the tiny model."""
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(cache))

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["lab", *map(str, arguments), "--model", str(tiny_model)])
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return run
