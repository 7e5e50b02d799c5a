"""Threads wait busily on a machine of their own, and asleep beside others."""

import threading

import pytest
import torch

from vectors import threads
from vectors.processors import Use
from vectors.threads import Sleepers, compute_with, in_own_thread


def named(name):
    return [each for each in threading.enumerate() if each.name == name]


def test_work_runs_on_a_thread_that_ends_with_it():
    ran = in_own_thread(threading.current_thread)
    assert ran is not threading.current_thread() and not ran.is_alive()
    with pytest.raises(ZeroDivisionError):
        in_own_thread(divmod, 1, 0)


def test_sleepers_make_more_threads_than_processors_and_go_when_they_are_released(monkeypatch):
    before = named("sleeper")
    for cores, each, teams in ((2, 2, 2), (8, 8, 1), (8, 3, 4)):
        monkeypatch.setattr(threads, "affinity", lambda cores=cores: set(range(cores)))
        sleepers = Sleepers()
        sleepers.keep(each)
        new = [thread for thread in named("sleeper") if thread not in before]
        assert sleepers.kept and len(new) == teams
        assert 1 + (each - 1) * (teams + 1) > cores
        sleepers.release()
        for thread in new:
            thread.join(60)
            assert not thread.is_alive()


def test_one_thread_waits_for_nobody_and_needs_no_sleepers():
    sleepers = Sleepers()
    sleepers.keep(1)
    assert not sleepers.kept


class Ended(Exception):
    """The watch has seen all looks of a test."""


def watched(monkeypatch, looks, cores=2, computing=2):
    """Whether there are sleepers after each look, where others use so many processors in it."""
    uses, told = [Use(0.0, 0.0)], []
    for others in looks:
        uses.append(Use(uses[-1].everyone + others, 0.0))
    clock, given, kept = iter(range(len(uses) + 1)), iter(uses), []

    class Told(Sleepers):
        def __init__(self):
            super().__init__()
            kept.append(self)

        def keep(self, threads):
            self._end = self._end or threading.Event()

    def sleep(_):
        told.append(kept[0].kept)
        if len(told) == len(uses):
            raise Ended

    monkeypatch.setattr(threads, "Sleepers", Told)
    monkeypatch.setattr(threads, "affinity", lambda: set(range(cores)))
    monkeypatch.setattr(threads, "used", lambda: next(given))
    monkeypatch.setattr(threads.time, "sleep", sleep)
    monkeypatch.setattr(threads.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(torch, "get_num_threads", lambda: computing)
    with pytest.raises(Ended):
        threads._watch_load()
    return told


def test_threads_sleep_until_the_machine_is_known_to_be_free(monkeypatch):
    assert watched(monkeypatch, [0.0] * 5) == [True] * 4 + [False] * 2


def test_who_comes_later_is_seen_at_the_next_look(monkeypatch):
    assert watched(monkeypatch, [0.0] * 4 + [2.0, 0.0]) == [True] * 4 + [False, True, True]


def test_what_others_use_of_processors_left_to_them_does_not_count(monkeypatch):
    assert watched(monkeypatch, [5.0] * 4, cores=8, computing=2)[-1] is False
    assert watched(monkeypatch, [7.0] * 4, cores=8, computing=2)[-1] is True


def test_torch_computes_with_the_threads_that_were_asked_for_and_the_load_is_watched_once():
    before = torch.get_num_threads()
    try:
        compute_with(1)
        assert torch.get_num_threads() == 1
        compute_with(2)
        assert torch.get_num_threads() == 2
        assert len(named("load")) == 1
    finally:
        torch.set_num_threads(before)
