"""How often what must change is found: the ranks, the rates, and the command that shows them."""

import json

import pytest

from orchestrator.bench.localization import CUTOFFS, Found, report
from orchestrator.bench.widening import gains
from orchestrator.cli import main
from retrieval.signals import SIGNALS
from swebench.errors import InvalidTask
from swebench.patches.gold import Gold

PATCH = """\
diff --git a/pkg/a.py b/pkg/a.py
--- a/pkg/a.py
+++ b/pkg/a.py
@@ -3,4 +3,5 @@ def f():
 one
-two
+zwei
 three
+four
 five
diff --git a/pkg/new.py b/pkg/new.py
new file mode 100644
--- /dev/null
+++ b/pkg/new.py
@@ -0,0 +1 @@
+x = 1
"""


def found(file_rank: int | None, definition_rank: int | None = None, repository: str = "a/b") -> Found:
    without = dict.fromkeys(SIGNALS, file_rank)
    return Found(
        "a__b-1",
        repository,
        file_rank,
        definition_rank,
        has_function=definition_rank is not None,
        test_rank=file_rank,
        has_tests=file_rank != 30,
        without=without,
        seconds_index=1.0,
        seconds_query=0.1,
    )


def test_gold_lines_are_those_removed_and_those_inserted_after_and_new_files_do_not_count():
    assert Gold.of(PATCH).lines == {"pkg/a.py": frozenset({4, 5})}


def test_rates_count_what_is_within_each_cutoff_and_never_fall():
    document = report([found(1, 2), found(4), found(30, 7), found(None)])
    assert document.all_gold_at == {"1": 25.0, "3": 25.0, "5": 50.0, "10": 50.0, "50": 75.0}
    assert document.functions.n == 2
    assert document.functions.any_gold_at == {"1": 0.0, "5": 50.0, "10": 100.0}
    assert document.tests.n == 3
    assert document.tests.any_gold_at == {"1": 33.3, "3": 33.3, "5": 66.7}
    for k in map(str, CUTOFFS):
        low, high = document.ci95[k]
        assert 0 <= low <= document.all_gold_at[k] <= high <= 100


def test_each_repository_and_each_signal_left_out_has_its_own_rates():
    document = report([found(1), found(9, repository="c/d")])
    assert document.repositories["a/b"].all_gold_at["1"] == 100.0
    assert document.repositories["c/d"].all_gold_at["5"] == 0.0
    assert document.without.keys() == SIGNALS.keys()


def test_the_bundled_tasks_are_measured_and_are_the_only_thing_on_stdout(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "retrieval", "--limit", "5", "--json"])
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["n"] == 5 and len(document["ranks"]) == 5
    assert document["all_gold_at"]["10"] == 100.0
    for speed in document["speed"]:
        assert speed["same_top"] == speed["queries"] > 0
        assert speed["ratios"].keys() == {"bm25_index", "index", "next_commit", "query"}


def test_what_widening_gains_counts_each_instance_against_itself():
    gained = gains([found(4), found(1), found(None), found(2)], [found(1), found(1), found(5), found(3)])
    assert (gained.at[1].gain, gained.at[1].only_first, gained.at[1].only_second) == (25.0, 0, 1)
    assert gained.at[5].gain == 25.0
    low, high = gained.at[5].ci95
    assert low <= 25.0 <= high


def test_a_widened_search_is_compared_with_the_plain_one(capsys, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "bench",
                "retrieval",
                "--limit",
                "4",
                "--no-speed",
                "--widen",
                "--model",
                str(tiny_model),
                "--json",
            ]
        )
    assert ended.value.code == 0
    widened = json.loads(capsys.readouterr().out)["widened"]
    assert widened.pop("n") == 4
    assert widened.keys() == {str(k) for k in CUTOFFS}


@pytest.mark.parametrize("patch", ["", "no patch", PATCH[PATCH.index("diff --git a/pkg/new.py") :]])
def test_a_patch_that_changes_no_file_that_was_there_is_no_gold(patch):
    with pytest.raises(InvalidTask):
        Gold.of(patch)


def test_instances_without_their_repository_are_left_out_and_named(capsys, tmp_path):
    row = {
        "instance_id": "no__such-1", "repo": "no/such", "base_commit": "0" * 40,
        "problem_statement": "x", "patch": PATCH, "test_patch": "",
    }  # fmt: skip
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps(row))
    with pytest.raises(SystemExit) as ended:
        main(["bench", "retrieval", "--dataset", str(file), "--json"])
    assert ended.value.code == 1
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "no/such" in answer.err and "Traceback" not in answer.err
