import pytest

from retrieval.mentions import defining_files, mentioned_files, mentioned_symbols
from retrieval.paths import module_of

PATHS = [
    "pkg/db/query.py",
    "pkg/forms/query.py",
    "pkg/db/__init__.py",
    "src/_tool/python.py",
    "setup.py",
    "pkg/core.py",
]
MODULES = {module_of(path): position for position, path in enumerate(PATHS)}


def named(text: str) -> dict[str, float]:
    return {PATHS[i]: value for i, value in mentioned_files(text, PATHS, MODULES).items()}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('File "/usr/lib/python3/site-packages/pkg/db/query.py", line 3, in run', {"pkg/db/query.py"}),
        (r"C:\venv\Lib\site-packages\pkg\db\query.py:3", {"pkg/db/query.py"}),
        ("see https://example.org/owner/name/blob/main/pkg/db/query.py#L3", {"pkg/db/query.py"}),
        ("/site-packages/_tool/python.py:12: in collect", {"src/_tool/python.py"}),
        ("the fault is in setup.py", {"setup.py"}),
        ("from pkg.forms import query, other", {"pkg/forms/query.py"}),
        ("calling pkg.db.query.Runner.run fails", {"pkg/db/query.py"}),
        ("pkg.db.Runner is missing", {"pkg/db/__init__.py"}),
        ("elsewhere/other.py and unknown.module.name", set()),
        ("/somewhere/else/core.py", set()),
    ],
)
def test_paths_and_modules_are_found_among_the_files_there_are(text, paths):
    assert set(named(text)) == paths


def test_a_bare_file_name_is_shared_by_all_files_of_that_name():
    assert named("in query.py") == {"pkg/db/query.py": 0.5, "pkg/forms/query.py": 0.5}


def test_symbols_are_the_words_that_stand_as_code():
    text = (
        "When I call `run` on a QuerySet, get_or_create() or obj.delete then plain words like Model stay out"
    )
    assert mentioned_symbols(text) == {"run", "QuerySet", "get_or_create", "delete"}


def test_a_symbol_that_many_files_define_says_little_about_each():
    found = defining_files(
        {"only": 3.0, "common": 1.0, "unknown": 1.0}, {"only": [0], "common": [0, 1, 2, 3]}
    )
    assert found == {0: 3.25, 1: 0.25, 2: 0.25, 3: 0.25}


@pytest.mark.parametrize(
    "text", ["a" * 400_000, "A" * 400_000, "a." * 200_000, "`" * 400_000, "/" * 400_000, "from a " * 60_000]
)
def test_text_made_to_be_slow_is_not(text):
    """What takes seconds would take hours if a longer text cost more for each of its characters."""
    mentioned_files(text, PATHS, MODULES)
    mentioned_symbols(text)
