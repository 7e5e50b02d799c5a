"""`orchestrate report` on run folders of bundled tasks, whose predictions are made here."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from orchestrator.cli import main
from orchestrator.task.artifacts import Artifacts, open_run
from retrieval.gitio import Git
from swebench.data.bundles import ensure_repositories
from swebench.data.loading import load_instances
from swebench.data.predictions import Prediction, record_prediction

FOUND = load_instances("bundled")
IDS = ["cobaltkit__routekit-17", "harborlab__tidetable-23", "quillworks__pagemill-18"]
SOURCE = "src/routekit/cache.py"
HOSTILE = "<script>alert(1)</script> | `x`"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    ensure_repositories(folder, Git)
    return folder


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(cache))


def gold(name):
    return FOUND.get(name).patch


def make_run(folder, patches, *, variant="adaptive", rag=True, results=None):
    """A run's folder: a patch for each id, or None for an instance that failed."""
    folder.mkdir(parents=True)
    determinants = {"variant": variant, "rag": rag, "dataset": "bundled", "dataset_sha256": FOUND.fingerprint}
    open_run(folder, determinants, {"python": "3"})
    for name, patch in patches.items():
        node = {
            "name": "code_reading",
            "steering": {"applied": variant != "baseline", "reason": f"the prompt holds {len(name)} tokens"},
            "prompt_tokens": 100 + len(name),
            "new_tokens": 7,
            "seconds": 1.5,
        }
        status = "failed" if patch is None else "patched" if patch else "no_patch"
        result = {"instance_id": name, "status": status, "nodes": [node], "graded": None}
        result |= {"reason": HOSTILE if patch is None else ""} | (results or {}).get(name, {})
        artifacts = Artifacts(folder, name)
        artifacts.write_json("result.json", result)
        paths = re.findall(r"^\+\+\+ b/(.*)", gold(name), re.MULTILINE)
        artifacts.write_json(
            "retrieval.json", {"hits": [{"path": path, "score": 1.0} for path in ["x.py", *paths]]}
        )
        if patch is not None:
            record_prediction(folder / "predictions.jsonl", Prediction(name, "m", patch))
    return folder


def report(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["report", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return ended.value.code or 0, json.loads(captured.out) if captured.out else None, captured.err


def verdicts(path, **rows):
    path.write_text(json.dumps({"instances": rows}))
    return path


def row(resolved, certified=True):
    return {"resolved": resolved, "certified": certified, "applied": True, "reason": "r", "seconds": 1.0}


def test_gold_patches_as_predictions_touch_all_that_gold_patches_touch(tmp_path, capsys):
    run = make_run(tmp_path / "run", {name: gold(name) for name in IDS})
    code, found, _ = report(capsys, run)
    rates = found["runs"]["run"]["rates"]
    assert code == 0
    for name in ("applies", "parses", "gold_file", "gold_function", "gold_line"):
        assert (rates[name]["hits"], rates[name]["n"], rates[name]["value"]) == (3, 3, 1.0)
        assert rates[name]["ci95"] == [0.4385, 1.0]
    assert found["runs"]["run"]["original"]["paths"]["value"] == 1.0
    assert rates["resolved"]["n"] == 0 and rates["resolved"]["value"] is None
    assert found["runs"]["run"]["retrieval"]["1"]["hits"] == 0
    assert found["runs"]["run"]["retrieval"]["10"]["hits"] == 3


def test_the_harness_fields_account_for_every_prediction(tmp_path, capsys):
    names = sorted(FOUND.instances)[:5]
    resolved, wrong, empty, uncertified, failed = names
    patches = {
        resolved: gold(resolved),
        wrong: "no patch",
        empty: "",
        uncertified: gold(uncertified),
        failed: None,
    }
    run = make_run(tmp_path / "run", patches)
    judged = verdicts(
        tmp_path / "v.json",
        **{
            resolved: row(True),
            wrong: row(False),
            empty: row(False),
            uncertified: row(True, certified=False),
        },
    )
    _, found, _ = report(capsys, run, "--verdicts", judged)
    assert found["schema_version"] == 2
    assert found["resolved_ids"] == [resolved] and found["unresolved_ids"] == [wrong]
    assert found["empty_patch_ids"] == [empty] and found["error_ids"] == [uncertified]
    assert found["incomplete_ids"] == [failed] and found["total_instances"] == 5
    assert (
        found["submitted_instances"]
        == 4
        == sum(found[f"{name}_instances"] for name in ("completed", "empty_patch", "error"))
    )
    assert found["uncertified_ids"] == [uncertified]
    assert found["runs"]["run"]["rates"]["resolved"]["n"] == 3
    assert found["runs"]["run"]["failures"] == {failed: HOSTILE}


def test_runs_are_compared_in_pairs_on_the_instances_that_both_have(tmp_path, capsys):
    make_run(tmp_path / "out" / "one", {name: gold(name) for name in IDS})
    make_run(tmp_path / "out" / "two", {IDS[0]: gold(IDS[0]), IDS[1]: "prose"}, variant="dynamic")
    _, found, _ = report(capsys, tmp_path / "out")
    (pair,) = found["comparisons"]
    assert (pair["first"], pair["second"]) == ("one", "two")
    applies = pair["rates"]["applies"]
    assert (applies["n"], applies["only_first"], applies["only_second"], applies["p"]) == (2, 1, 0, 1.0)
    assert pair["means"]["new_tokens"] == {"n": 2, "difference": 0.0, "ci95": [0.0, 0.0]}
    assert found["manifests"] == {"variant": {"one": "adaptive", "two": "dynamic"}}
    assert (tmp_path / "out" / "report.json").is_file()


def test_prose_is_valid_in_the_originals_counting_and_does_not_apply(tmp_path, capsys):
    run = make_run(tmp_path / "run", {IDS[0]: "I would change the cache."}, variant="dynamic")
    _, found, _ = report(capsys, run)
    found_run = found["runs"]["run"]
    assert found_run["original"]["valid"]["value"] == 1.0 and found_run["rates"]["applies"]["value"] == 0.0
    assert found_run["original"]["published"]["valid"] == 0.90


def test_a_task_is_lost_at_the_first_stage_that_it_does_not_pass(tmp_path, capsys):
    run = make_run(tmp_path / "run", {name: gold(name) for name in IDS})
    line = min(_gold_lines(IDS[0]))
    region = {"path": SOURCE, "name": "TTLCache.set", "line": line}
    there = {"number": 0, "region": region, "patch": gold(IDS[0]), "verdict": "valid", "applies": True}
    Artifacts(run, IDS[0]).write_json("candidates/0.json", [there])
    Artifacts(run, IDS[1]).write_json(
        "candidates/0.json", [{**there, "region": {"path": "other.py", "line": 1}}]
    )
    _, found, _ = report(capsys, run, "--verdicts", verdicts(tmp_path / "v.json", **{IDS[0]: row(False)}))
    instances = found["runs"]["run"]["instances"]
    assert [instances[name]["lost_at"] for name in IDS] == ["resolved", "region", "region"]
    passed = {stage["stage"]: stage["hits"] for stage in found["runs"]["run"]["funnel"]}
    assert passed == {"retrieved": 3, "region": 1, "candidate": 1, "applies": 1, "tests": 1, "resolved": 0}
    _, found, _ = report(capsys, run, "--verdicts", verdicts(tmp_path / "v.json", **{IDS[2]: row(True)}))
    assert found["runs"]["run"]["instances"][IDS[2]]["lost_at"] == ""


def _gold_lines(name):
    from swebench.patches.gold import Gold

    return Gold.of(gold(name)).lines[SOURCE]


def test_verdicts_and_seconds_that_a_run_has_noted_itself_are_read(tmp_path, capsys):
    noted = {
        IDS[0]: {"graded": row(True), "stages": {"code_reading": 1.5, "retrieve": 2.0, "validate": 0.5}},
        IDS[1]: {"graded": row(True, certified=False)},
        IDS[2]: {"graded": {"resolved": False, "reason": "r", "seconds": 1.0}},
    }
    run = make_run(tmp_path / "run", {name: gold(name) for name in IDS}, results=noted)
    _, found, _ = report(capsys, run)
    assert (found["resolved_ids"], found["unresolved_ids"]) == ([IDS[0]], [])
    # Without a certificate a verdict counts for nothing, whether there is a bad one or none.
    assert found["error_ids"] == found["uncertified_ids"] == sorted([IDS[1], IDS[2]])
    spent = {stage["stage"]: stage["seconds"] for stage in found["runs"]["run"]["stages"]}
    assert list(spent) == ["code_reading", "retrieve", "validate"]
    assert (spent["code_reading"]["n"], spent["retrieve"]["n"]) == (3, 1)
    assert found["runs"]["run"]["instances"][IDS[0]]["seconds"] == 4.0


def test_the_page_loads_nothing_and_shows_what_runs_say_as_text(tmp_path, capsys):
    run = make_run(tmp_path / "run", {IDS[0]: gold(IDS[0]), IDS[1]: None})
    assert report(capsys, run, "--out", tmp_path / "to")[0] == 0
    page = (tmp_path / "to" / "report.html").read_text()

    class Reader(HTMLParser):
        tags, addresses, ids = set(), [], []

        def handle_starttag(self, tag, attrs):
            self.tags.add(tag)
            self.addresses += [
                v for k, v in attrs if k in ("src", "href", "xlink:href") and not v.startswith("#")
            ]
            self.ids += [v for k, v in attrs if k == "id"]

    reader = Reader()
    reader.feed(page)
    assert not reader.tags & {"script", "link", "img", "iframe"} and reader.addresses == []
    assert "url(http" not in page and "@import" not in page
    assert len(set(reader.ids)) == len(reader.ids)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>" not in (tmp_path / "to" / "report.md").read_text()


def test_the_pictures_take_their_ink_from_the_page(tmp_path, capsys):
    run = make_run(tmp_path / "run", {name: gold(name) for name in IDS})
    graded = verdicts(tmp_path / "v.json", **{name: row(True) for name in IDS})
    report(capsys, run, "--verdicts", graded)
    drawn = re.findall(r"<svg.*?</svg>", (run / "report.html").read_text(), re.DOTALL)
    assert len(drawn) == 4
    for svg in drawn:
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "currentColor" in svg and "#000000" not in svg and "#ffffff" not in svg


def test_the_same_runs_give_the_same_report(tmp_path, capsys):
    run = make_run(tmp_path / "run", {name: gold(name) for name in IDS})
    texts = []
    for _ in range(2):
        report(capsys, run, "--out", tmp_path / "to")
        texts.append([(tmp_path / "to" / f"report.{kind}").read_bytes() for kind in ("json", "md", "html")])
    assert texts[0] == texts[1]


def test_an_instance_that_is_not_in_the_data_set_is_listed_and_in_no_rate(tmp_path, capsys):
    run = make_run(tmp_path / "run", {IDS[0]: gold(IDS[0])})
    record_prediction(run / "predictions.jsonl", Prediction("no__such-1", "m", "x"))
    _, found, _ = report(capsys, run)
    assert "no__such-1" in found["not_measured"]
    assert found["runs"]["run"]["rates"]["applies"]["n"] == 1


def test_an_unfinished_instance_counts_against_its_run(tmp_path, capsys):
    run = make_run(tmp_path / "run", {IDS[0]: gold(IDS[0])})
    Artifacts(run, IDS[1]).write_json("retrieval.json", {"hits": []})
    _, found, _ = report(capsys, run)
    assert found["runs"]["run"]["failures"] == {IDS[1]: "not finished"}
    assert found["runs"]["run"]["rates"]["applies"] == {
        "hits": 1,
        "n": 2,
        "value": 0.5,
        "ci95": [0.0945, 0.9055],
    }


def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, capsys):
    one = make_run(tmp_path / "out" / "one", {IDS[0]: gold(IDS[0])})
    make_run(tmp_path / "out" / "two", {IDS[0]: gold(IDS[0])})
    judged = verdicts(tmp_path / "v.json", **{IDS[0]: row(True)})
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.json").write_text("[]")
    wrong = [
        (tmp_path / "empty",),
        (tmp_path / "out", "--verdicts", judged),
        (tmp_path / "out", "--verdicts", f"three={judged}"),
        (one, "--verdicts", tmp_path / "none.json"),
        (one, "--verdicts", tmp_path / "missing.json"),
    ]
    for arguments in wrong:
        code, found, said = report(capsys, *arguments)
        assert code == 2 and found is None and "Traceback" not in said, arguments
    Artifacts(one, IDS[0]).write_json("candidates/0.json", [{"number": 0}])
    code, _, said = report(capsys, one)
    assert code == 2 and "cannot be read (0.region: Field required)" in said
    (one / "manifest.json").write_text('{"determinants": ')
    code, _, said = report(capsys, one)
    assert code == 2 and "manifest.json" in said
