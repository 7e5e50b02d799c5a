"""Rows that each go through a forward of their own have one product computed for all of them."""

import threading

import pytest
import torch
from torch import nn

from vectors.engine.meeting import Meeting


class Counting(nn.Linear):
    """A layer that notes how many tokens it is given at once."""

    def __init__(self):
        super().__init__(4, 4)
        self.given = []

    def forward(self, x):
        self.given.append(x.shape[-2])
        return super().forward(x)


class Two(nn.Module):
    """A layer of two results."""

    def forward(self, x):
        return x + 1, x.sum(-1, keepdim=True)


@pytest.fixture
def layers():
    torch.manual_seed(0)
    return [Counting(), Counting(), Two()]


@pytest.fixture
def meeting(layers):
    meeting = Meeting(layers)
    yield meeting
    meeting.close()


def tokens(number):
    """A row's tokens: as many as its number and one."""
    return torch.arange(4.0 * (number + 1)).view(1, number + 1, 4) + number


@torch.inference_mode()
def test_rows_get_their_own_tokens_of_one_product(layers, meeting):
    first, second, two = layers

    def job(number):
        def run():
            plus, total = two(second(first(tokens(number))))
            return plus + total

        return run

    found = meeting.run([job(number) for number in range(3)])
    assert first.given == second.given == [1 + 2 + 3]
    for number, made in enumerate(found):
        torch.testing.assert_close(made, job(number)())  # outside of a meeting it computes for itself


@torch.inference_mode()
def test_rows_that_take_other_ways_through_the_model_meet_where_they_can(layers, meeting):
    first, second, _ = layers
    ways = [[first, second, second], [second], [first, first, second, second], []]

    def job(number):
        def run():
            hidden = tokens(number)
            for layer in ways[number]:
                hidden = layer(hidden)
            return hidden

        return run

    found = meeting.run([job(number) for number in range(4)])
    assert sum(first.given) == 1 + 3 + 3 and len(first.given) < 3
    assert sum(second.given) == 2 * 1 + 2 + 2 * 3 and len(second.given) < 5
    for number, made in enumerate(found):
        torch.testing.assert_close(made, job(number)())


@torch.inference_mode()
def test_rows_of_other_shapes_or_with_more_than_tokens_compute_for_themselves(layers, meeting):
    first = layers[0]

    def job(hidden):
        return lambda: first(hidden)

    shapes = [(1, 2, 4), (2, 4), (2, 3, 4)]  # one of them is a batch of two
    found = meeting.run([job(torch.ones(shape)) for shape in shapes])
    assert [tuple(made.shape) for made in found] == shapes


@torch.inference_mode()
def test_what_one_row_raises_is_raised_once_all_have_ended_and_the_next_rows_run(layers, meeting):
    first, ended = layers[0], []

    def job(number):
        def run():
            hidden = first(tokens(number))
            if number == 1:
                raise ZeroDivisionError("of row 1")
            ended.append(number)
            return first(hidden)

        return run

    with pytest.raises(ZeroDivisionError, match="of row 1"):
        meeting.run([job(number) for number in range(3)])
    assert ended == [0, 2]
    (alone,) = meeting.run([job(5)])
    torch.testing.assert_close(alone, job(5)())


@torch.inference_mode()
def test_what_a_module_raises_is_raised_by_every_row_that_asked_it(layers, meeting):
    raised = []

    def job():
        try:
            return layers[0](torch.ones(1, 1, 3))
        except RuntimeError as error:
            raised.append(error)
            raise

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        meeting.run([job] * 3)
    assert len(raised) == 3


@torch.inference_mode()
def test_no_row_is_left_waiting_where_the_pass_is_interrupted(layers, meeting, monkeypatch):
    ended = []

    def job():
        try:
            return layers[0](tokens(1))
        finally:
            ended.append(1)

    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("vectors.engine.meeting._answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        meeting.run([job] * 3)
    assert ended == [1, 1, 1]
    monkeypatch.undo()
    assert len(meeting.run([job] * 3)) == 3


def test_rows_compute_on_one_processor_each_and_leave_the_others_as_they_were(meeting):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inside = meeting.run([lambda: torch.tensor(torch.get_num_threads())] * 2)
        fresh = []
        thread = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert [int(threads) for threads in inside] == [1, 1]
        assert torch.get_num_threads() == fresh[0] == 2
    finally:
        torch.set_num_threads(before)


def test_a_closed_meeting_leaves_no_thread_and_its_modules_bare(layers):
    before = threading.active_count()
    meeting = Meeting(layers)
    meeting.run([lambda: torch.ones(1)] * 3)
    assert threading.active_count() > before
    meeting.close()
    meeting.close()
    assert threading.active_count() == before
    assert all("forward" not in vars(layer) for layer in layers)
