"""`lab tokenizers` from its arguments to its folder, with tokenizers of known cuts."""

import json

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.errors import MixedRunError
from orchestrator.lab.folder import ExperimentFolder
from orchestrator.lab.tokenizers import compare_tokenizers
from tests.vectors.lab.geometry.cutters import every_byte, every_word, saved
from vectors.errors import ModelUnavailable, TextSetError, UnfitAnalysis


@pytest.fixture
def two(tmp_path):
    return [str(saved(every_byte(), tmp_path / "bytes")), str(saved(every_word(), tmp_path / "words"))]


def test_a_folder_goes_on_and_holds_what_the_command_says(two, tmp_path):
    folder = ExperimentFolder(tmp_path / "runs")
    whole = compare_tokenizers(two, cache=tmp_path, n=200, as_original=True, journal=folder)
    folder.finish(whole)
    again = ExperimentFolder(tmp_path / "runs")
    assert compare_tokenizers(two, cache=tmp_path, n=200, as_original=True, journal=again) == whole
    assert again.found == 2
    assert json.loads((folder.folder / "result.json").read_text())["tokenizers"][0]["torn"]["value"] == 1
    assert (folder.folder / "figure.svg").stat().st_size > 1000


def test_one_that_keeps_time_stamps_whole_refutes_that_all_are_torn(two, tmp_path):
    both = compare_tokenizers(two, cache=tmp_path, n=200)
    assert [each.verdict for each in both.findings()] == ["refuted"]
    torn = compare_tokenizers(two[:1], cache=tmp_path, n=200)
    assert [(each.verdict, each.estimate.n) for each in torn.findings()] == [("confirmed", 200)]
    few = compare_tokenizers(two[:1], cache=tmp_path, n=199)
    assert [each.verdict for each in few.findings()] == ["undecided"]


def test_the_original_s_scores_stand_beside_ours_where_asked_for(two, tmp_path):
    with_them = compare_tokenizers(two, cache=tmp_path, n=20, as_original=True).section()
    without = compare_tokenizers(two, cache=tmp_path, n=20).section()
    assert len(with_them.tables) == len(without.tables) + 1


def test_texts_of_a_file_are_cut_too(two, tmp_path):
    rows = [{"repo": f"o/r{i % 2}", "problem_statement": f"my_name fails {i}", "patch": ""} for i in range(6)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "prose.txt").write_text("One paragraph.\n\nAnother.\n")
    with pytest.raises(TextSetError, match="holds 0 text"):  # no row has a patch
        compare_tokenizers(two, [tmp_path / "mine.jsonl"], cache=tmp_path, n=20)
    for row in rows:
        row["patch"] = "+my_name"
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = compare_tokenizers(two, [tmp_path / "mine.jsonl", tmp_path / "prose.txt"], cache=tmp_path, n=20)
    assert [(each.name, each.texts, each.groups) for each in found.corpora][-3:] == [
        ("mine issues", 6, 2),
        ("mine code", 6, 2),
        ("prose", 2, 2),
    ]


def test_another_number_of_timestamps_is_another_experiment(two, tmp_path):
    compare_tokenizers(two, cache=tmp_path, n=20, journal=ExperimentFolder(tmp_path, tmp_path / "out"))
    with pytest.raises(MixedRunError, match="--fresh"):
        compare_tokenizers(two, cache=tmp_path, n=21, journal=ExperimentFolder(tmp_path, tmp_path / "out"))


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        (["lama-3"], ModelUnavailable, "llama-3"),
        (["qwen3", "qwen3"], UnfitAnalysis, "named twice"),
        ([f"t{i}" for i in range(9)], UnfitAnalysis, "hold 8"),
    ],
)
def test_names_that_cannot_be_meant_are_refused(names, error, said, tmp_path):
    with pytest.raises(error, match=said):
        compare_tokenizers(names, cache=tmp_path)


@pytest.mark.parametrize("content", ["{}", "[1]", '{"model": 3}', "\x00"])
def test_a_file_that_is_no_tokenizer_is_refused_in_one_line(content, tmp_path):
    file = tmp_path / "tokenizer.json"
    file.write_text(content)
    ran = CliRunner().invoke(cli, ["lab", "tokenizers", str(file), "--out", str(tmp_path / "out")])
    assert isinstance(ran.exception, UnfitAnalysis | SystemExit)
    assert ran.exit_code != 0
    assert "\n" not in str(ran.exception)
