"""What is kept of a long analysis, and that a unit comes to the same whatever went before it."""

import logging

import pytest

from tests.vectors import tiny
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.measuring.asking import asked
from vectors.measuring.journal import Journal


def begun(folder, facts="facts", units=None):
    journal = Journal(folder)
    journal.begin(facts, units)
    return journal


def never():
    pytest.fail("it is kept, and was made again")


def test_a_finished_unit_is_not_made_again_and_comes_back_to_the_last_bit(tmp_path):
    unit = [[0.1 + 0.2, float("inf")], "ä\u2028\ud800", None]
    assert begun(tmp_path).once(lambda: unit) == unit
    again = begun(tmp_path)
    assert (again.found, again.kept) == (1, 1)
    assert again.once(never) == unit
    assert again.once(lambda: 2) == 2
    assert again.kept == 2


def test_units_of_other_facts_are_others(tmp_path):
    begun(tmp_path, ["a", 1]).once(lambda: "one")
    assert begun(tmp_path, ["a", 2]).once(lambda: "two") == "two"


def test_a_line_that_was_being_written_is_made_again_and_spoils_none_after_it(tmp_path):
    begun(tmp_path).each("", [lambda: 1, lambda: 2])
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text()[:-2])
    torn = begun(tmp_path)
    assert torn.kept == 1
    assert torn.each("", [never, lambda: 2, lambda: 3]) == [1, 2, 3]
    assert begun(tmp_path).each("", [never] * 3) == [1, 2, 3]


def test_a_part_is_begun_after_another_and_both_are_dropped(tmp_path):
    journal = begun(tmp_path, "one")
    journal.once(lambda: 1)
    journal.begin("two")
    assert (journal.found, journal.kept) == (0, 1)
    journal.once(lambda: 2)
    assert journal.kept == 2
    journal.drop()
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_the_analysis_goes_on_and_nothing_is_said_to_be_kept(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    journal = begun(tmp_path / "file" / "analyses")
    with caplog.at_level(logging.WARNING):
        assert journal.each("", [lambda: 1, lambda: 2]) == [1, 2]
    assert journal.kept == 0
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "nothing more is kept of this, should it be interrupted"
    ]
    journal.drop()


def test_a_unit_of_requests_is_answered_as_by_a_new_engine(qwen3, engine):
    def unit(seed):
        steerings = [(), tiny.steer(qwen3, 1, 0.5), tiny.steer(qwen3, 2, 0.5)]
        shared = tiny.prompt(seed, 40)
        return [
            GenerationRequest((*shared, *tiny.prompt(seed + n, 4)), each, Sampling(4), distribution=True)
            for n in range(6)
            for each in steerings
        ]

    alone = [each.distribution for each in asked(engine, unit(7))]
    asked(engine, unit(3))
    after = asked(engine, unit(7))
    assert all(one.equal(other.distribution) for one, other in zip(alone, after, strict=True))
    assert not any(each.reused_tokens for each in asked(engine, [unit(7)[0]]))
