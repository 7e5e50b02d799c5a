"""Rows of other data sets, brought to SWE-bench's columns: what each form has, and what it lacks.

A form is known by its columns, since rows come from files that say nothing of their origin. What a form does
not say (a test command, an environment) stays missing, and grading says so.
"""

import ast
import json
from collections.abc import Callable, Mapping

from swebench.errors import InvalidTask

Row = Mapping[str, object]
Columns = dict[str, object]
SMITH = "swesmith/"
_MOST_BYTES = 4 << 20
"""Of a list as text: the longest of SWE-bench has a tenth of that."""


def usual(row: Row) -> Columns:
    """The row with SWE-bench's columns; raises InvalidTask for one that its own form does not allow."""
    columns = next((columns for fits, columns in DIALECTS if fits(row)), None)
    return {**row, **columns(row)} if columns else dict(row)


def listed(row: Row, name: str) -> tuple[str, ...]:
    """A list of texts, or such a list as JSON or as Python writes it; raises InvalidTask."""
    value = row.get(name)
    if isinstance(value, str):
        value = _parsed(value) if len(value) <= _MOST_BYTES else None if not value else False
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InvalidTask(f"column {name} must be a list of texts, or such a list as JSON or Python text")
    return tuple(value)


def _parsed(text: str) -> object:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return False


def _object(row: Row, name: str) -> Columns:
    value = row.get(name)
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, dict):
        raise InvalidTask(f"column {name} must be an object, or one as JSON text")
    return value


def _command(row: Row, found: object) -> object:
    """The row's own command, or one that stands alone or in a list of one; several are for a shell."""
    if isinstance(found, list):
        found = found[0] if len(found) == 1 else None
    return row.get("test_cmd") or found


def _swe_bench_pro(row: Row) -> Columns:
    """Lower-case lists as Python text; what to solve is in three columns, put together as its authors do."""
    parts = (("Requirements", "requirements"), ("New interfaces introduced", "interface"))
    more = "".join(f"\n\n{title}:\n{row[name]}" for title, name in parts if row.get(name))
    return {
        "FAIL_TO_PASS": listed(row, "fail_to_pass"),
        "PASS_TO_PASS": listed(row, "pass_to_pass"),
        "problem_statement": f"{row.get('problem_statement') or ''}{more}",
        "language": row.get("repo_language"),
        "image": row.get("dockerhub_tag"),
    }


def _swe_smith(row: Row) -> Columns:
    """Its `patch` puts the fault in, so it is part of the base, and its reverse is the gold patch.

    The repository is a copy named `swesmith/owner__name.commit8`, whose main branch is that commit.
    """
    repo = str(row["repo"])
    commit = repo.rpartition(".")[2]
    return {
        "base_commit": row.get("base_commit") or commit,
        "planted": row.get("patch"),
        "patch": "",
        "image": row.get("image_name"),
    }


def _swe_rebench(row: Row) -> Columns:
    """`install_config` says how its environment is made and its tests are run, in both of its versions."""
    config = _object(row, "install_config")
    return {
        "test_cmd": _command(row, config.get("test_cmd")),
        "log_parser": row.get("log_parser") or config.get("log_parser"),
        "image": row.get("image_name") or row.get("docker_image"),
        "recipe": config | {"requirements": row.get("requirements")},
    }


def _multi_swe_bench(row: Row) -> Columns:
    """A pull request: its base, the issues that it resolves, and tests by how they changed."""
    base = _object(row, "base")
    issues = row.get("resolved_issues")
    texts = [
        f"{issue.get('title') or ''}\n\n{issue.get('body') or ''}".strip()
        for issue in (issues if isinstance(issues, list) else [])
        if isinstance(issue, dict)
    ]
    fixed = [name for kind in ("f2p", "s2p", "n2p") for name in _names(row, f"{kind}_tests")]
    return {
        "instance_id": row.get("instance_id") or f"{row['org']}__{row['repo']}-{row.get('number')}",
        "repo": f"{row['org']}/{row['repo']}",
        "base_commit": base.get("sha"),
        "problem_statement": row.get("problem_statement") or "\n\n".join(texts),
        "patch": row["fix_patch"],
        "FAIL_TO_PASS": tuple(dict.fromkeys(fixed)) or tuple(_names(row, "fixed_tests")),
        "PASS_TO_PASS": tuple(_names(row, "p2p_tests")),
        "language": row.get("lang") or row.get("language"),
    }


def _names(row: Row, column: str) -> list[str]:
    """Tests are the keys of an object, or in files that pyarrow wrote, of one with a key for every test."""
    found = row.get(column)
    if found is None:
        return []
    return [str(name) for name, change in _object(row, column).items() if change is not None]


def _swe_bench_live(row: Row) -> Columns:
    """Commands in lists; of the first, Python's part, the parser is pytest's."""
    return {
        "test_cmd": _command(row, row["test_cmds"]),
        "log_parser": row.get("log_parser") or row.get("parser"),
        "image": row.get("docker_image") or row.get("image_key"),
    }


def _has(*names: str) -> Callable[[Row], bool]:
    return lambda row: all(row.get(name) is not None for name in names)


DIALECTS: tuple[tuple[Callable[[Row], bool], Callable[[Row], Columns]], ...] = (
    (lambda row: str(row.get("repo")).startswith(SMITH), _swe_smith),
    (_has("fail_to_pass", "instance_id"), _swe_bench_pro),
    (_has("org", "repo", "base", "fix_patch"), _multi_swe_bench),
    (_has("install_config"), _swe_rebench),
    (_has("test_cmds"), _swe_bench_live),
)
"""What tells a form, and what makes SWE-bench's columns of its rows; the first that fits."""
