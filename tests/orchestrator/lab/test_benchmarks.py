"""GSM8K and MMLU-Pro as calls: all conditions on the same items, and what is said of wrong input."""

import json

import pytest

from orchestrator.cli import main
from orchestrator.lab.gsm8k import measure_gsm8k
from orchestrator.lab.items import read_items
from orchestrator.lab.knowledge import Asked
from orchestrator.lab.mmlu_pro import measure_mmlu_pro
from orchestrator.session import Session
from orchestrator.settings import Settings
from swebench.errors import InvalidRow
from tests.lab.rows import gsm8k_file, mmlu_pro_file
from vectors.errors import SteeringMismatch, UnfitAnalysis
from vectors.progress import silent


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        yield session


def solved(session, folder, **how):
    given = {"limit": 3, "tokens": 4, "shares": [0.1], "vectors": ["math_reasoning"], **how}
    return measure_gsm8k(session, dataset=gsm8k_file(folder), **given)


def chosen(session, folder, *, asked=(), **how):
    of = Asked(mmlu_pro_file(folder), **dict({"per_domain": 3}, **dict(asked)))
    given = {"tokens": 4, "shares": [0.1], **how}
    return measure_mmlu_pro(session, of, **given)


def test_each_style_is_asked_unsteered_and_with_each_vector_and_compared_in_pairs(session, tmp_path):
    found = solved(session, tmp_path, vectors=["math_reasoning", "code_reading"], layers=[1, 2])
    assert len(found.cells) == 4 * (1 + 2 * 2)
    assert {len(cell.items) for cell in found.cells} == {3}
    assert len(found.against_unsteered) == 4 * 4
    assert [(each.style, each.against) for each in found.interference][::4] == [
        ("few-shot-3", "cot"),
        ("few-shot-5", "cot"),
    ]
    assert found.settings.form == "turns of the chat template"
    assert {each.claim: each.verdict for each in found.findings()} == {
        "zero_shot_gains": "undecided",
        "few_shot_interferes": "undecided",
    }
    assert json.loads(found.model_dump_json())["settings"]["items"] == list(found.settings.items)


def test_an_effect_is_the_difference_of_the_cells_that_it_compares(session, tmp_path):
    found = solved(session, tmp_path)
    by_place = {(cell.style, bool(cell.condition.vector)): cell for cell in found.cells}
    for each in found.against_unsteered:
        steered, unsteered = by_place[each.style, True], by_place[each.style, False]
        assert each.flexible.difference.value == pytest.approx(
            steered.flexible.value - unsteered.flexible.value
        )
        assert steered.format_gap.value == pytest.approx(steered.flexible.value - steered.strict.value)


def test_which_problems_are_asked_is_the_seeds_alone(session, tmp_path):
    one, same, other = (
        solved(session, tmp_path, limit=3, styles=["cot"], seed=seed).settings.items for seed in (0, 0, 3)
    )
    assert one == same != other


def test_the_originals_prompts_stand_beside_ours_where_they_are_asked_for(session, tmp_path):
    found = solved(session, tmp_path, as_original=True, styles=["cot", "few-shot-5"], vectors=[])
    assert [cell.style for cell in found.cells] == ["cot", "few-shot-5", "original cot"]
    assert found.interference == found.against_unsteered == ()


def test_mmlu_pro_is_scored_by_letters_rotations_and_written_answers_at_once(session, tmp_path):
    found = chosen(session, tmp_path, scoring="both", rotations=10)
    assert found.measures == ("letter", "rotated", "written")
    assert found.measure == "rotated"
    assert len(found.samples) == 6
    for sample in found.samples:
        options = len(sample.nats[0][0])
        assert [len(rows) for rows in sample.nats] == [options, options]
        assert all(nats < 0 for rows in sample.nats for row in rows for nats in row)
        assert len(sample.written) == 2
    assert {row.domain for row in found.accuracies} == {"", "law", "math"}
    assert [each.claim for each in found.findings()] == ["steering_harms_knowledge"]
    assert found.findings()[0].verdict == "undecided"
    title = found.section().title
    assert title.startswith("MMLU-Pro: math_reasoning on ")


def test_each_item_is_kept_with_what_was_said_to_it_and_is_no_part_of_the_result(session, tmp_path):
    from orchestrator.lab.folder import ExperimentFolder

    folder = ExperimentFolder(tmp_path, tmp_path / "run")
    found = chosen(session, tmp_path, scoring="both", journal=folder)
    folder.finish(found)
    items, count = read_items(tmp_path / "run", 1, 2)
    assert (count, tuple(items)) == (6, found.items[1:3])
    sample = found.samples[1]
    assert items[0].name == str(sample.item)
    assert items[0].expected == sample.right
    assert "\nA. " in items[0].question
    letters = {each.condition: tuple(each.nats.values()) for each in items[0].said if each.nats}
    assert list(letters.values()) == [rows[0] for rows in sample.nats]
    assert [each.text for each in items[0].said if each.condition.endswith("written")] == list(sample.written)
    assert "items" not in json.loads((tmp_path / "run" / "result.json").read_text())


def test_an_answered_problem_is_kept_in_words(session, tmp_path):
    found = solved(session, tmp_path, styles=["cot"])
    assert [item.name for item in found.items] == [str(each) for each in found.settings.items]
    for place, item in enumerate(found.items):
        assert [said.condition for said in item.said] == [
            f"cot, {cell.condition.name}" for cell in found.cells
        ]
        assert [said.text for said in item.said] == [cell.answers[place].text for cell in found.cells]
        assert [said.right for said in item.said] == [cell.solved[place] for cell in found.cells]
    assert "answers" not in json.loads(found.model_dump_json())["cells"][0]


@pytest.mark.parametrize("draw", [solved, chosen])
def test_a_benchmark_is_drawn_alike_twice(session, tmp_path, draw):
    for name in ("one.svg", "other.svg"):
        draw(session, tmp_path).draw(tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


def test_steering_of_generated_tokens_is_refused_for_a_choice_of_one_token(session, tmp_path):
    with pytest.raises(UnfitAnalysis, match=r"\[generated\] cannot change a choice of one token"):
        chosen(session, tmp_path, positions="generated")
    assert chosen(session, tmp_path, positions="generated", scoring="generation").measures == ("written",)
    last = chosen(session, tmp_path, positions="last", shares=[5.0])
    assert last.samples[0].nats[0] != last.samples[0].nats[1]


def test_worked_examples_are_those_of_the_questions_domain(session, tmp_path):
    examples = mmlu_pro_file(tmp_path, count=2)
    how = {"scoring": "generation", "asked": {"shots": 2, "examples": examples}}
    assert chosen(session, tmp_path, **how).settings.shots == 2
    how["asked"]["shots"] = 3
    with pytest.raises(UnfitAnalysis, match="2 worked examples of law, --shots wants 3"):
        measure_mmlu_pro(
            session, Asked(mmlu_pro_file(tmp_path, 2), shots=3, examples=examples), scoring="both"
        )


def test_wrong_input_is_told_before_anything_is_asked(session, tmp_path):
    with pytest.raises(UnfitAnalysis, match="no style 'few-shot-4'"):
        solved(session, tmp_path, styles=["few-shot-4"])
    with pytest.raises(SteeringMismatch, match="layer 40 does not exist"):
        solved(session, tmp_path, layers=[40])
    with pytest.raises(UnfitAnalysis, match="2 examples: a style needs 3"):
        few = tmp_path / "few"
        few.mkdir()
        solved(session, tmp_path, styles=["few-shot-3"], examples=gsm8k_file(few, 2))
    with pytest.raises(UnfitAnalysis, match=r"no domain 'maths'.*did you mean math"):
        chosen(session, tmp_path, asked={"domains": ("maths",)})
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"question": "?", "answer": "5"}\n')
    with pytest.raises(InvalidRow, match="does not end with ####"):
        measure_gsm8k(session, dataset=str(bare))


def test_the_commands_write_a_folder_and_say_what_they_found(tmp_path, tiny_model, monkeypatch, capsys):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    common = ["--model", str(tiny_model), "--shares", "0.1", "--tokens", "2"]
    for name, data, more in (
        ("gsm8k", gsm8k_file(tmp_path), ["--limit", "2", "--styles", "cot", "--vector", "math_reasoning"]),
        ("mmlu-pro", mmlu_pro_file(tmp_path), ["--per-domain", "2"]),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["lab", name, "--dataset", data, "--out", name, *common, *more])
        assert not ended.value.code
        assert "no claim" in capsys.readouterr().out
        assert {"manifest.json", "result.json", "figure.svg"} <= {
            each.name for each in (tmp_path / name).iterdir()
        }
