"""What marks an edit, and learning from a real history."""

import json
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.repair.features import NAMES, Issue, features
from orchestrator.repair.ranking import WEIGHTS, RankedEdit, best
from orchestrator.repair.tokens import TokenizedText
from orchestrator.repair.training.learning import Sample, cross_validated, fit, ranks, samples
from orchestrator.repair.training.learning import main as learn
from orchestrator.repair.training.mining import mined_repairs
from retrieval.gitio import Git
from swebench.catalogue import Code, Edit
from tests.orchestrator.conftest import CALC, TEXT, git
from tests.orchestrator.repair.test_places import MODULE


def test_an_edit_that_brings_in_what_the_title_names_has_that_feature():
    code = Code(TEXT)
    start = TEXT.index("len(text)")
    edits = [Edit("name", start, start + 3, name) for name in ("width", "size", "other")]
    issue = Issue("`width` is wrong\n\nSee `size` here.")
    found = features(code, edits, issue, 4, 8)
    shown = {name: list(found[:, place]) for place, name in enumerate(NAMES)}
    assert shown["new_in_title"] == [1, 0, 0]
    assert shown["new_in_prose"] == [0, 1, 0]
    assert shown["new_elsewhere"] == [0, 0, 1]


def test_every_feature_has_a_weight_and_every_weight_a_feature():
    assert tuple(WEIGHTS["features"]) == NAMES
    assert len(WEIGHTS["likelihood"]) == 2


@pytest.fixture
def history(tmp_path):
    folder = tmp_path / "words"
    (folder / "tests").mkdir(parents=True)
    git(folder, "init", "-q")

    def commit(message, **files):
        for name, text in files.items():
            (folder / name.replace("__", "/")).with_suffix(".py").write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", message)

    commit("Start", words=TEXT.replace(">", ">="), calc=CALC)
    fixed = TEXT.replace(">", ">", 1)
    commit("Fix width of shorten\n\nIt cut one too many.", words=fixed,
           tests__test_words="assert shorten('abc', 3) == 'abc'\n")  # fmt: skip
    commit("Fix typo", calc=CALC.replace("Largest", "The largest"))
    commit("Add names", words=fixed + "\n\nNAMES = []\n")
    commit("Fix both", words=fixed.replace("> width", ">= width"), calc=CALC.replace("max", "min"))
    return folder


def test_only_commits_that_mend_a_few_lines_of_one_file_are_mined(history):
    (found,) = mined_repairs(Git(history / ".git"))
    assert (found.path, found.line) == ("words.py", 6)
    assert (">= width" in found.before, ">= width" in found.after) == (True, False)
    assert found.issue.startswith("Fix width of shorten\n\nIt cut one too many.")
    assert "shorten('abc', 3)" in found.issue
    assert list(mined_repairs(Git(history / ".git"), before="2001-01-01")) == []


def test_the_mined_edit_is_found_among_those_of_its_place_and_scored_by_the_model(history, smollm2):
    from vectors.engine.engine import Engine

    with Engine(smollm2.model, smollm2.tokenizer) as engine:
        (sample,) = samples("words", mined_repairs(Git(history / ".git")), smollm2, engine)
    assert [sample.kinds[place] for place in sample.gold] == ["comparison"]
    assert sample.model_features.shape == (len(sample.kinds), 2)
    assert np.isfinite(sample.model_features[sample.gold[0]]).all()


def planted(repository, seed):
    """A sample whose gold edit is the one with most of the first feature."""
    chance = np.random.default_rng(seed)
    values = chance.normal(size=(30, len(NAMES)))
    gold = int(np.argmax(values[:, 0]))
    return Sample(repository, values, np.zeros((30, 2)), ("name", "guard") * 15, (gold,))


def test_what_marks_the_repair_is_learned_and_holds_for_other_repositories():
    found = [planted(f"repository {number % 7}", number) for number in range(70)]
    weights = fit(found)
    assert max(weights["features"], key=lambda name: abs(weights["features"][name])) == NAMES[0]
    assert np.mean(np.array(ranks(found, weights)) == 1) > 0.9
    across = cross_validated(found)
    assert len(across) == len(found)
    assert np.mean(np.array(across) <= 3) > 0.9
    assert json.loads(json.dumps(weights)) == weights


def test_of_a_method_that_a_class_lacks_only_the_best_place_is_kept():
    def shown(path, function, score, kind="shown method"):
        return RankedEdit(path, function, 1, Edit(kind, 0, 0, "def find(self): ..."), score, None)

    best_place, other_class = shown("m.py", "Table.look", -1.0), shown("m.py", "Row.look", -3.0)
    plain = [shown("m.py", "Table.look", -4.0, "name"), shown("m.py", "Table.size", -5.0, "name")]
    found = best([[shown("m.py", "Table.size", -2.0), *plain], [other_class, best_place]])
    assert found == [best_place, other_class, *plain]


@pytest.mark.parametrize(
    ("line", "issue", "feature"),
    [
        ("return key < self.width", "I see\n\n    return key < self.width\n", "line_quoted"),
        (
            "return key < self.width",
            '  File "m.py", line 2, in find\n    return key < self.width\n',
            "line_traced",
        ),
        ("raise KeyError(key)", '  File "m.py", line 2, in find\n    raise KeyError(key)\n', None),
        ("return key < self.width", "It returns too much.", None),
    ],
)
def test_a_line_that_the_issue_quotes_is_told_from_one_in_a_traceback(line, issue, feature):
    code = Code(f"def find(self, key):\n    {line}\n")
    (row,) = features(code, [Edit("name", 26, 27, "x")], Issue(issue), 1, 2)
    told = {name for name, value in zip(NAMES, row, strict=True) if value and name.startswith("line_")}
    assert told & {"line_quoted", "line_traced"} == ({feature} - {None})


@given(st.data())
@settings(max_examples=150)
def test_the_first_token_of_an_edit_is_that_of_the_whole_text_edited(smollm2, data):
    text = data.draw(st.sampled_from([CALC, TEXT, MODULE, "x = 1\n\n\n\n  y = 2", "\n \n é😀 = 1\n"]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))))
    new = data.draw(st.sampled_from(["", " ", "\n", "    ", "0", "not x", "\n    return None", "é", "= 3 "]))
    edited = smollm2.encode(text[:start] + new + text[end:], begins=False)
    there = TokenizedText(partial(smollm2.encode, begins=False), text)
    pairs = enumerate(zip(there.ids, edited, strict=False))
    expected = next(((place, b) for place, (a, b) in pairs if a != b), None)
    assert there.first_difference(start, end, new) == expected


def test_weights_are_learned_from_repositories_named_on_the_command_line(
    history, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("ORCHESTRATE_MODEL", str(tiny_model))
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "weights.json"
    done = CliRunner().invoke(learn, [f"{history}/.git", f"{history}/.git@2001-01-01", "--out", str(out)])
    assert done.exit_code == 0, done.output
    learned = json.loads(out.read_text())
    assert tuple(learned["features"]) == NAMES
    assert "comparison" in learned["kinds"] and len(learned["likelihood"]) == 2

    nothing = CliRunner().invoke(learn, [f"{history}/.git@2001-01-01", "--out", str(out)])
    assert nothing.exit_code == 1
    assert "no repair" in nothing.output


def test_a_folder_that_is_not_there_is_wrong_use(tmp_path):
    done = CliRunner().invoke(learn, [str(tmp_path / "none@2001-01-01"), "--out", str(tmp_path / "w.json")])
    assert done.exit_code == 2
    assert "is no folder" in done.output
