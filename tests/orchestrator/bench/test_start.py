"""The benchmark of the start: real processes, and ratios that are those of their pairs."""

import subprocess

import pytest

from orchestrator.bench import start
from orchestrator.bench.start import measure
from orchestrator.errors import ConfigError
from vectors.processors import processors

INSTANCE = "harborlab__tidetable-23"


def silent(*_):
    pass


def test_whole_processes_are_timed_up_to_what_they_are_asked_for(tiny_model, tmp_path):
    rows = measure(str(tiny_model), INSTANCE, tmp_path, None, 1, silent)
    assert [row.name for row in rows] == ["help", "wrong instance id", "model loaded", "first token of solve"]
    for row in rows:
        assert row.this.n == 1
        assert 0 < row.this.low <= row.this.median <= row.this.high
        assert row.other is row.ratio is None
    told, _, loaded, asked = (row.this for row in rows)
    assert told.processor_s < loaded.processor_s < asked.processor_s
    assert told.peak_mib < loaded.peak_mib < asked.peak_mib


def test_a_process_that_fails_is_told_with_what_it_said_last(tiny_model, tmp_path):
    with pytest.raises(start.StartFailed, match="no-such-task"):
        measure(str(tiny_model), "no-such-task", tmp_path, None, 1, silent)


def test_the_ratio_of_two_builds_is_that_of_neighbouring_processes():
    row = start._start(
        "help", [[start.Taken(each, each / 2, 30.0) for each in pair] for pair in ((1, 2), (2, 4), (0.5, 1))]
    )
    assert (row.this.median, row.other.median) == (1.0, 2.0)
    assert (row.this.processor_s, row.other.processor_s, row.this.peak_mib) == (0.5, 1.0, 30.0)
    assert (row.ratio.value, row.ratio.low, row.ratio.high) == pytest.approx((2.0, 2.0, 2.0))


def test_a_folder_that_is_no_checkout_is_refused_before_anything_is_timed(tmp_path):
    with pytest.raises(ConfigError, match="expected a checkout"):
        measure("unused", INSTANCE, tmp_path, tmp_path, 2, silent)


def test_a_busy_machine_is_one_with_a_spinning_process_for_each_processor(monkeypatch, tmp_path):
    started, beside = [], []

    class Watched(subprocess.Popen):
        def __init__(self, command, **options):
            super().__init__(command, **options)
            started.append(self)

    def run(build, cache, folder, arguments, code):
        beside.append(sum(process.poll() is None for process in started))
        return start.Taken(3.0 if beside[-1] else 1.5, 1.0, 30.0)

    monkeypatch.setattr(start, "_run", run)
    monkeypatch.setattr(start.subprocess, "Popen", Watched)
    rows = measure("unused", INSTANCE, tmp_path, None, 2, silent, busy=True)
    cores = processors()
    assert [row.name for row in rows[-2:]] == ["whole solve", f"whole solve beside {cores} spinning"]
    assert rows[-1].slowdown.value == pytest.approx(2.0) and rows[-2].slowdown is None
    assert beside == [0] * (len(beside) - 3) + [cores] * 3
    assert all(process.poll() is not None for process in started)
