import subprocess
import sys
import threading

import pytest

from retrieval.errors import CommitMissing, NoPythonFiles
from retrieval.gitio import Git
from retrieval.history import ChangeLog, History
from retrieval.question import MAX_QUERY_CHARACTERS
from retrieval.search import Retriever
from retrieval.store import RepoStore

PROJECT = {
    "pkg/__init__.py": "",
    "pkg/dates.py": "class DateParser:\n    def parse_iso(self, text):\n        return text.split('-')\n",
    "pkg/money.py": "def parse_amount(text, currency):\n    return float(text)\n\n\ndef add(a):\n    pass\n",
    "pkg/views.py": "def render(page):\n    return page.title\n",
    "src/_pytest/python.py": "def collect(module):\n    return module.currency\n",
    "tests/test_money.py": "def test_parse_amount_currency():\n    parse_amount('1', 'EUR currency')\n",
    "docs/money.py": "parse_amount currency amount\n" * 3,
    "README.md": "parse_amount",
}
ISSUE = "parse_amount loses the currency: `parse_amount('1.50', 'EUR')` in pkg/money.py rounds the amount"


@pytest.fixture
def project(workshop):
    work = workshop()
    work.commit(PROJECT)
    return work


def paths(result) -> list[str]:
    return [hit.path for hit in result.hits]


def test_the_file_and_the_definition_a_report_is_about_come_first(project, tmp_path):
    result = Retriever(project.repository(), tmp_path / "cache").search("HEAD", ISSUE)
    assert result.hits[0].path == "pkg/money.py"
    best = result.definitions[0]
    assert (best.path, best.name, best.kind, best.start_line, best.end_line) == (
        "pkg/money.py",
        "parse_amount",
        "function",
        1,
        2,
    )
    assert result.hits[0].score == pytest.approx(sum(result.hits[0].signals.values()))
    assert result.seconds_index > 0
    assert result.seconds_query > 0


def test_tests_and_other_languages_are_left_out_and_documentation_comes_last(project, tmp_path):
    found = paths(Retriever(project.repository(), tmp_path).search("HEAD", ISSUE, top_k=50))
    assert set(found) == {path for path in PROJECT if path.endswith(".py") and not path.startswith("tests/")}
    assert "src/_pytest/python.py" in found
    scores = [hit.score for hit in Retriever(project.repository(), tmp_path).search("HEAD", ISSUE).hits]
    assert scores == sorted(scores, reverse=True)
    assert found.index("docs/money.py") > found.index("src/_pytest/python.py")


def test_no_more_than_top_k_files_and_only_their_definitions(project, tmp_path):
    result = Retriever(project.repository(), tmp_path).search("HEAD", ISSUE, top_k=2)
    assert len(result.hits) == 2
    assert {definition.path for definition in result.definitions} <= set(paths(result))
    assert len(result.definitions) <= 6


def test_what_came_after_the_commit_never_influences_the_result(workshop, tmp_path):
    whole, truncated = workshop("whole"), workshop("truncated")
    for work in (whole, truncated):
        work.commit(PROJECT)
        base = work.commit({"pkg/views.py": "def render(page):\n    return page.currency\n"})
    whole.commit({"pkg/money.py": "def parse_amount(): 'fixed the currency'\n"})
    for _ in range(3):
        whole.commit({"pkg/dates.py": f"# {whole.now}\nparse_amount = currency = 1\n"})
    whole.git("tag", "later")
    one, other = (
        Retriever(work.repository(), tmp_path / work.folder.name / "cache").search(base, ISSUE, top_k=50)
        for work in (whole, truncated)
    )
    assert (one.hits, one.definitions) == (other.hits, other.definitions)
    after = Retriever(whole.repository(), tmp_path / "cache").search("later", ISSUE, top_k=50)
    assert after.hits != one.hits, "the later commits do change what is found at the later commits"


def test_a_report_that_reads_like_an_earlier_change_points_to_the_files_it_changed(workshop, tmp_path):
    work = workshop()
    work.commit({"pkg/one.py": "x = 1\n", "pkg/two.py": "x = 1\n", "pkg/three.py": "x = 1\n"})
    work.commit({"pkg/two.py": "x = 2\n"}, message="Stop the leap second from crashing the clock")
    head = work.commit({"pkg/three.py": "x = 2\n", "pkg/one.py": "x = 2\n"}, message="Rename constants")
    hits = Retriever(work.repository(), tmp_path).search(head, "The clock crashes on leap seconds").hits
    assert hits[0].path == "pkg/two.py"
    assert hits[0].signals["history"] > 0
    assert {hit.signals["history"] for hit in hits[1:]} == {0.0}


def test_a_change_of_many_files_says_less_of_each_of_them(workshop):
    work = workshop()
    for message in ("start", "middle", "later", "more"):
        work.commit({"a.py": message, "b.py": message, "c.py": message}, message=message)
    work.commit({"a.py": "2"}, message="clock")
    head = work.commit({"b.py": "2", "c.py": "2"}, message="clock")
    log = ChangeLog(work.repository())
    changes = log.before(head)
    history = History(changes, log.numbering.vocabulary, {"a.py": 0, "b.py": 1, "c.py": 2})
    scores = history.scores({"clock": 1.0})
    assert scores[0] == pytest.approx(2 * scores[1])
    assert scores[1] == scores[2] > 0


def test_a_message_that_forges_the_marks_between_records_hides_only_itself(workshop):
    work = workshop()
    first = work.commit({"a.py": "1"}, message="one")
    head = work.commit({"a.py": "2"}, message=f"\x02\x01{first}\nforged\x02b.py\x01 \x01")
    changes = ChangeLog(work.repository()).before(head)
    assert len(changes) == 2


def test_each_change_is_read_once_for_all_the_commits_that_follow(workshop, monkeypatch):
    work = workshop()
    first = work.commit({"a.py": "1"}, message="one")
    second = work.commit({"a.py": "2"}, message="two")
    repository = work.repository()
    log = ChangeLog(repository)
    two, one = log.before(second)
    assert two.paths == one.paths == ("a.py",)
    asked = []
    run = Git.run
    monkeypatch.setattr(Git, "run", lambda *args, **kw: (asked.append(args[1]), run(*args, **kw))[1])
    assert log.before(first) == [one]
    assert asked == ["rev-list"]


def test_a_shallow_clone_is_searched_with_what_history_it_has(project, tmp_path):
    subprocess.run(
        [
            "git",
            "clone",
            "-q",
            "--bare",
            "--depth",
            "1",
            f"file://{project.folder}",
            str(tmp_path / "owner__name.git"),
        ],
        check=True,
    )
    repository = RepoStore([tmp_path], tmp_path / "cache").open("owner/name")
    assert Retriever(repository, tmp_path / "cache").search("HEAD", ISSUE).hits[0].path == "pkg/money.py"


def test_the_next_commit_costs_only_the_blobs_that_changed(project, tmp_path):
    told: list[tuple[str, int, int]] = []
    repository = project.repository()
    Retriever(repository, tmp_path).search("HEAD", ISSUE, progress=lambda *step: told.append(step))
    assert told[-1][1:] == (6, 6)
    told.clear()
    project.commit({"pkg/views.py": "def render(page):\n    return None\n"})
    Retriever(repository, tmp_path).search("HEAD", ISSUE, progress=lambda *step: told.append(step))
    assert told == [("indexing", 1, 1)]


def test_a_warm_cache_a_cold_cache_and_a_damaged_cache_give_the_same_result(project, tmp_path):
    def search():
        result = Retriever(project.repository(), tmp_path / "cache").search("HEAD", ISSUE)
        return result.hits, result.definitions

    cold = search()
    assert search() == cold
    for entry in (tmp_path / "cache").rglob("*"):
        if entry.is_file():
            entry.write_bytes(b"damaged")
    assert search() == cold


def test_a_report_of_two_megabytes_is_answered_by_its_beginning(project, tmp_path):
    retriever = Retriever(project.repository(), tmp_path)
    long = ISSUE.ljust(MAX_QUERY_CHARACTERS) + "DateParser parse_iso " * 100_000
    result, short = retriever.search("HEAD", long), retriever.search("HEAD", ISSUE)
    assert result.hits == short.hits
    assert result.seconds_query < 5


@pytest.mark.parametrize("query", ["", "\0\ud800 ☃", "zzz qqq"])
def test_a_report_that_names_nothing_still_gives_an_answer(project, tmp_path, query):
    result = Retriever(project.repository(), tmp_path).search("HEAD", query, extra=["", "none"])
    assert len(result.hits) == 6


def test_further_text_helps_but_counts_less_than_the_report(project, tmp_path):
    retriever = Retriever(project.repository(), tmp_path)
    helped = retriever.search("HEAD", "it is wrong", extra=["DateParser", "parse_iso splits text"])
    assert helped.hits[0].path == "pkg/dates.py"
    outweighed = retriever.search("HEAD", ISSUE, extra=["DateParser parse_iso"])
    assert outweighed.hits[0].path == "pkg/money.py"


def test_of_files_and_functions_with_the_same_words_those_come_first_that_define_the_symbol(
    workshop, tmp_path
):
    work = workshop()
    one, other = "def {}(text):\n    return {}(text)\n", ["parse_amount", "PARSE_AMOUNT"]
    work.commit({"pkg/one.py": one.format(*reversed(other)), "pkg/two.py": one.format(*other)})
    hits = Retriever(work.repository(), tmp_path / "files").search("HEAD", "`parse_amount` loses cents").hits
    assert [hit.path for hit in hits] == ["pkg/two.py", "pkg/one.py"]
    assert [hit.signals["symbols"] > 0 for hit in hits] == [True, False]

    work.commit({"pkg/one.py": one.format(*reversed(other)) + one.format(*other), "pkg/two.py": ""})
    found = Retriever(work.repository(), tmp_path / "functions").search("HEAD", "`parse_amount` loses cents")
    assert [each.name for each in found.definitions] == ["parse_amount", "PARSE_AMOUNT"]


def test_a_symbol_says_less_of_each_of_many_functions_and_no_more_where_further_text_repeats_it(
    workshop, tmp_path
):
    def symbols_part(n_files: int, extra: tuple[str, ...] = ()) -> float:
        """What one of n files' functions has for its name, above another that has all the same words."""
        files = {f"pkg/{n}.py": "def {0}(): {1}\n\n\ndef {1}(): {0}\n".format(*names) for n in range(n_files)}
        work = workshop(f"{n_files} {extra}")
        work.commit(files | {f"pkg/other{n}.py": "" for n in range(9)})
        found = Retriever(work.repository(), tmp_path / "cache").search("HEAD", "`parse_amount`", extra)
        score = {(each.path, each.name): each.score for each in found.definitions}
        return score["pkg/0.py", names[0]] - score["pkg/0.py", names[1]]

    names = "parse_amount", "PARSE_AMOUNT"
    alone = symbols_part(1)
    assert symbols_part(4) == pytest.approx(alone / 2)
    assert symbols_part(1, ("`parse_amount`",)) == pytest.approx(alone)


def test_the_words_of_the_title_say_more_than_a_symbol_that_the_issue_uses(workshop, tmp_path):
    work = workshop()
    clock = "def tick():\n    return 'leap second of the clock'\n"
    work.commit({"pkg/one.py": "def run_it(step):\n    return step\n", "pkg/two.py": clock})
    issue = "Leap seconds stop the clock\n\nI saw it with `run_it`."
    found = Retriever(work.repository(), tmp_path).search("HEAD", issue)
    assert paths(found) == ["pkg/two.py", "pkg/one.py"]
    assert [each.name for each in found.definitions] == ["tick", "run_it"]


def test_a_repository_without_python_files_says_so(workshop, tmp_path):
    work = workshop()
    work.commit({"main.c": "int main;", "tests/test_a.py": "x"})
    with pytest.raises(NoPythonFiles, match="project"):
        Retriever(work.repository(), tmp_path).search("HEAD", ISSUE)


def test_a_commit_that_is_missing_says_so_before_any_work(workshop, tmp_path):
    with pytest.raises(CommitMissing):
        Retriever(workshop().repository(), tmp_path / "cache").search("HEAD", ISSUE)
    assert not (tmp_path / "cache").exists()


def test_a_file_is_ranked_by_its_words_in_its_own_encoding(workshop, tmp_path):
    work = workshop()
    sha = work.commit(
        {
            "a.py": "x = 1\n",
            "b.py": "# coding: latin-1\ndef größe(): pass\n".encode("latin-1"),
            "c.py": "# coding: gb18030\nNAME = '温度'\n".encode("gb18030"),
        }
    )
    retriever = Retriever(work.repository(), tmp_path / "cache")
    assert paths(retriever.search(sha, "größe is wrong"))[0] == "b.py"
    assert paths(retriever.search(sha, "温度"))[0] == "c.py"


def test_binary_huge_empty_and_badly_encoded_files_are_ranked_by_their_paths(workshop, tmp_path):
    work = workshop()
    work.commit(
        {
            "binary.py": bytes(range(256)),
            "huge.py": b"x = 1\n" * 400_000,
            "empty.py": b"",
            "latin.py": b"name = 'caf\xe9'\ndef parse_amount(): pass\n",
        }
    )
    result = Retriever(work.repository(), tmp_path).search("HEAD", "parse_amount")
    assert paths(result)[0] == "latin.py"
    assert len(result.hits) == 4
    assert Retriever(work.repository(), tmp_path).search("HEAD", "the binary").hits[0].path == "binary.py"


def test_threads_that_share_a_retriever_get_the_same_answer(project, tmp_path):
    retriever, found = Retriever(project.repository(), tmp_path), []
    threads = [
        threading.Thread(target=lambda: found.append(retriever.search("HEAD", ISSUE).hits)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(hits == found[0] for hits in found)


def test_processes_that_share_a_cache_get_the_same_answer(project, tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from retrieval.search import Retriever; from retrieval.store import RepoStore\n"
        "retriever = Retriever(RepoStore.local(Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "result = retriever.search('HEAD', sys.argv[3])\n"
        "print(result.hits, result.definitions)"
    )
    command = [sys.executable, "-c", code, str(project.folder), str(tmp_path / "cache"), ISSUE]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert len(answers) == 1
    assert "pkg/money.py" in answers.pop()


def test_an_issue_that_shares_no_word_with_the_repository_is_told_apart(project, tmp_path):
    retriever = Retriever(project.repository(), tmp_path)
    assert retriever.search("HEAD", "xyzzy plugh").nothing_shared
    assert not retriever.search("HEAD", ISSUE).nothing_shared
