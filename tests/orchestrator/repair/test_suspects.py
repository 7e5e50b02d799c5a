"""Which places are suspected, in which order, and how much more one than another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.repair import suspects as module
from orchestrator.repair.ranking import Suspect
from orchestrator.repair.suspects import parsed_with, suspects
from retrieval.definition_hits import LOGIT, DefinitionHit
from tests.orchestrator.repair.test_places import MODULE

FUNCTIONS = "".join(f"def f{n}(a):\n    b = a\n    return b\n" for n in range(60))


def hit(kind: str, start: int, end: int, score: float = 1.0, path: str = "m.py") -> DefinitionHit:
    return DefinitionHit(kind, kind, start, end, path, score)


def function(n: int, score: float = 1.0, path: str = "m.py") -> DefinitionHit:
    """The n-th of FUNCTIONS."""
    return DefinitionHit(f"f{n}", "function", 3 * n + 1, 3 * n + 3, path, score)


def places(found: list[Suspect]) -> list[tuple[str, str]]:
    return [(each.hit.path, each.hit.name) for each in found]


def gap(found: list[Suspect]) -> float:
    """How many nats the first of two suspects is before the second."""
    first, second = found
    return first.prior - second.prior


def test_suspects_are_the_best_places_whose_files_parse_and_their_chances_sum_to_one():
    sources = {"m.py": MODULE, "old.py": "print 1\n"}
    found = suspects([hit("function", 19, 20), hit("class", 9, 16, 0.5), hit("module", 0, 0, 2.0),
                      hit("function", 1, 1, path="old.py"), hit("function", 1, 1, path="gone.py")],
                     sources, "look")  # fmt: skip
    assert [each.hit.kind for each in found] == ["module", "function", "class"]
    assert sum(np.exp(each.prior) for each in found) == pytest.approx(1)
    assert suspects([hit("function", 1, 1, path="old.py")], sources, "look") == []


def test_a_module_reaches_from_its_first_line_to_its_last_and_others_where_they_were_found():
    found = suspects([hit("module", 0, 0), hit("class", 9, 16)], {"m.py": MODULE}, "")
    assert [(each.hit.start_line, each.hit.end_line) for each in found] == [(1, 23), (9, 16)]


@given(st.floats(0, 2), st.floats(0, 2))
def test_between_two_functions_the_scores_decide(one, other):
    found = suspects([function(0, one), function(1, other)], {"m.py": FUNCTIONS}, "")
    assert places(found) == [("m.py", f"f{n}") for n in ((1, 0) if other > one else (0, 1))]
    assert gap(found) == pytest.approx(LOGIT * abs(one - other), abs=1e-9)


def test_at_the_same_score_a_module_is_likelier_than_a_function_and_a_class_less_likely_by_two_nats():
    function, klass, own = hit("function", 19, 20), hit("class", 9, 16), hit("module", 0, 0)
    sources = {"m.py": MODULE}
    assert gap(suspects([function, own], sources, "")) == pytest.approx(2)
    assert gap(suspects([klass, function], sources, "")) == pytest.approx(2)
    assert [each.hit.kind for each in suspects([klass, own], sources, "")] == ["module", "class"]


def traceback(*frames: tuple[str, str]) -> str:
    return (
        "".join(f'  File "{file}", line 7, in {name}\n    x\n' for file, name in frames) + "ValueError: x\n"
    )


@pytest.mark.parametrize(
    ("frames", "first"),
    [
        pytest.param([("/lib/pkg/m.py", "f2")], "f2", id="the only one"),
        pytest.param([("/lib/pkg/m.py", "f1"), ("/lib/pkg/m.py", "f2")], "f2", id="the last of two"),
        pytest.param([("/lib/pkg/m.py", "f2"), ("/lib/json/decoder.py", "f1")], "f2", id="of files at hand"),
        pytest.param([("/lib/pkg/m.py", "f2"), ("/lib/pkg/m.py", "<module>")], "f2", id="that is a function"),
        pytest.param([("C:\\lib\\pkg\\m.py", "f2")], "f2", id="on Windows"),
        pytest.param([("pkg/m.py", "f2")], "f2", id="from the folder itself"),
        pytest.param([("/lib/pkg/other_m.py", "f2")], "f0", id="not of a file whose name ends alike"),
        pytest.param([("/lib/other/m.py", "f2")], "f0", id="not of a file of that name in another folder"),
        pytest.param([("/lib/pkg/m.py", "f")], "f0", id="not of a function whose name begins alike"),
        pytest.param([], "f0", id="without a traceback the order stays"),
    ],
)
def test_the_last_function_of_a_traceback_that_was_found_is_likelier_by_a_nat(frames, first):
    found = suspects(
        [function(n, path="src/pkg/m.py") for n in range(3)], {"src/pkg/m.py": FUNCTIONS}, traceback(*frames)
    )
    assert found[0].hit.name == first
    assert found[0].prior - found[-1].prior == pytest.approx(float(first != "f0"))


def test_a_method_is_named_in_a_traceback_without_its_class_and_a_file_of_the_top_folder_by_its_name():
    method = DefinitionHit("Table.find", "method", 15, 16, "m.py", 1.0)
    found = suspects([hit("look", 19, 20), method], {"m.py": MODULE}, traceback(("/x/m.py", "find")))
    assert places(found)[0] == ("m.py", "Table.find")


def test_no_more_than_24_places_are_suspected_and_48_where_it_is_known_what_runs():
    hits = [function(n, 1 - n / 100) for n in range(60)]
    found = suspects(hits, {"m.py": FUNCTIONS}, "")
    assert places(found) == [("m.py", f"f{n}") for n in range(24)]
    runs = {"m.py": frozenset(range(1, 181))}
    assert places(suspects(hits, {"m.py": FUNCTIONS}, "", runs)) == [("m.py", f"f{n}") for n in range(48)]
    assert len(suspects(hits, {"m.py": FUNCTIONS, "n.py": FUNCTIONS}, "")) == 24


def test_a_file_is_parsed_once_for_all_its_places(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(module, "parsed_with", lambda *a: (asked.append(a[0]), parsed_with(*a))[1])
    old = [hit("function", 1, 1, score, "old.py") for score in (0.9, 0.7)]
    hits = [function(0), old[0], function(1, 0.8), old[1]]
    assert len(suspects(hits, {"m.py": FUNCTIONS, "old.py": "print 1\n"}, "")) == 2
    assert asked == [FUNCTIONS, "print 1\n"]


def test_where_it_is_known_what_runs_what_does_not_is_left_out_and_what_was_not_found_comes_last():
    own, klass = hit("module", 0, 0, path="n.py"), hit("class", 9, 16, path="n.py")
    hits = [function(0, 2.0), function(1, 0.5), function(2, 0.25), own, klass]
    runs = {"m.py": frozenset({5, 8, 12}), "n.py": frozenset({18, 20}), "gone.py": frozenset({1})}
    found = suspects(hits, {"m.py": FUNCTIONS, "n.py": MODULE}, "", runs)
    assert places(found) == [
        ("n.py", "module"),
        ("n.py", "class"),
        ("m.py", "f1"),
        ("m.py", "f2"),
        ("m.py", "f3"),
        ("n.py", "look"),
    ]
    of = {each.hit.name: each for each in found}
    assert of["f3"].prior == of["f2"].prior == of["look"].prior < of["f1"].prior
    assert places(suspects([], {"m.py": FUNCTIONS}, "", runs)) == [("m.py", f"f{n}") for n in (1, 2, 3)]


def test_where_it_is_known_what_runs_only_that_is_edited_but_for_what_runs_on_import():
    source = MODULE.replace(
        "        return", "        if key > 7:\n            return key - 8\n        return"
    )
    runs = {"m.py": frozenset({16, 18})}
    method, klass = DefinitionHit("Table.find", "method", 15, 18, "m.py", 1.0), hit("class", 9, 18)
    lines = {}
    for executed in (None, runs):
        for each in suspects([method, klass], {"m.py": source}, "", executed):
            lines[each.hit.name, executed is None] = {source.count("\n", 0, e.start) + 1 for e in each.edits}
    assert lines["Table.find", True] >= {16, 17, 18} and lines["Table.find", False] <= {16, 18}
    assert lines["class", True] == lines["class", False] != set()


def test_what_an_issue_mentions_is_at_hand_for_edits_and_of_what_it_quotes_the_first_twenty():
    issue = "`Table.find` gives 'a-b', see \"width\" and get_it(): " + " ".join(f"'q{n}'" for n in range(30))
    code = parsed_with(MODULE, issue)
    assert code is not None
    assert code.quoted == ("Table.find", "a-b", "width", *(f"q{n}" for n in range(17)))
    assert {"get_it", "find"} <= set(code.mentioned)
    assert parsed_with("print 1\n", issue) is None


def test_what_comes_before_a_place_begins_a_sequence_and_the_place_goes_on_with_it():
    said = []

    def encode(text, *, begins):
        said.append(begins)
        return [*text.encode()]

    source = "WIDTH = 4\n\n\ndef look(key):\n    return key < WIDTH\n"
    place = DefinitionHit("look", "function", 4, 5, "m.py", 1.0)
    for suspect in suspects([place], {"m.py": source}, "look"):
        suspect.requests(encode)
    assert said[0]
    assert said[1:]
    assert not any(said[1:])
