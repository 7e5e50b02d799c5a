import pytest

from retrieval.paths import is_support, is_test, module_of


@pytest.mark.parametrize(
    "path",
    [
        "tests/a/models.py",
        "pkg/tests/util.py",
        "test/a.py",
        "pkg/test_a.py",
        "pkg/a_test.py",
        "conftest.py",
        "a/tests.py",
    ],
)
def test_test_files_are_told_by_a_whole_component(path):
    assert is_test(path)


@pytest.mark.parametrize(
    "path",
    ["src/_pytest/python.py", "django/test/client.py", "pkg/testing/util.py", "pkg/contest.py", "latest.py"],
)
def test_code_whose_path_only_contains_the_word_is_no_test(path):
    assert not is_test(path)


def test_documentation_and_examples_are_support_only_at_the_top():
    assert is_support("docs/conf.py")
    assert is_support("examples/plot/a.py")
    assert not is_support("pkg/examples/a.py")
    assert not is_support("tools.py")


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("pkg/sub/a.py", "pkg.sub.a"),
        ("pkg/sub/__init__.py", "pkg.sub"),
        ("src/_pytest/python.py", "_pytest.python"),
        ("lib/mpl/axes.py", "mpl.axes"),
        ("setup.py", "setup"),
        ("src/__init__.py", ""),
    ],
)
def test_a_file_is_imported_without_its_source_root(path, module):
    assert module_of(path) == module
