"""What a task is: the columns a solver may see (Task) and those that only grading may see (Instance).

The two are separate types so that the gold patch and the hidden tests cannot reach a prompt by accident:
nodes are handed a Task, and a Task does not hold them. Rows come from outside, so everything is checked here
once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from swebench.data.dialects import listed, usual
from swebench.data.recipes import Recipe
from swebench.errors import InvalidTask

MAX_STATEMENT_BYTES = 1 << 20

# An instance id names a folder of a run, so it must be one plain path component.
_NAME = r"\w[\w .+@=,-]*"
_INSTANCE_ID = re.compile(_NAME)
_REPO = re.compile(rf"{_NAME}/{_NAME}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Task:
    """What a solver may see of an instance.

    `repo` is `owner/name`, `base_commit` the hexadecimal commit id to start from, `test_cmd` the command of
    the repository's own tests where the data set names one. Without one, `version` and
    `environment_setup_commit` (empty: the base commit) say which environment its tests need; with a `recipe`
    the row says that itself. Raises InvalidTask.
    """

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    version: str = ""
    created_at: str = ""
    test_cmd: str | None = None
    environment_setup_commit: str = ""
    recipe: Recipe | None = None

    @property
    def setup_commit(self) -> str:
        """The commit that the environment of the task's tests is made from."""
        return self.environment_setup_commit or self.base_commit

    def __post_init__(self) -> None:
        if not _INSTANCE_ID.fullmatch(self.instance_id) or len(self.instance_id.encode()) > 200:
            raise InvalidTask(
                f"instance id {_short(self.instance_id)} must be a plain name "
                "of at most 200 bytes, such as owner__name-123"
            )
        if not _REPO.fullmatch(self.repo):
            raise InvalidTask(f"{self.instance_id}: repo {_short(self.repo)} must have the form owner/name")
        for name in ("base_commit", "setup_commit"):
            if not _COMMIT.fullmatch(commit := getattr(self, name)):
                column = "environment_setup_commit" if name == "setup_commit" else name
                raise InvalidTask(f"{self.instance_id}: {column} {_short(commit)} must be 7 to 64 hex digits")
        if not self.problem_statement.strip():
            raise InvalidTask(f"{self.instance_id}: the problem statement is empty: describe the problem")
        try:
            size = len(self.problem_statement.encode())
        except UnicodeEncodeError:
            raise InvalidTask(f"{self.instance_id}: the problem statement is not valid Unicode") from None
        if size > MAX_STATEMENT_BYTES:
            raise InvalidTask(
                f"{self.instance_id}: the problem statement has {size} bytes, at most "
                f"{MAX_STATEMENT_BYTES} are allowed: shorten it"
            )


@dataclass(frozen=True)
class Instance:
    """A task with its gold columns, named as in SWE-bench but for FAIL_TO_PASS and PASS_TO_PASS.

    `image`, `eval_script` and `eval_type` come with the newer layout of the data sets and are for the
    official environments; `log_parser` and `install` say how the tests are read and set up. `planted` is the
    patch that put the fault in, where that is not part of the repository: its reverse is the gold patch.
    """

    task: Task
    patch: str = ""
    test_patch: str = ""
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    hints_text: str = ""
    image: str | None = None
    eval_script: str | None = None
    log_parser: str | None = None
    eval_type: str | None = None
    install: str | None = None
    planted: str = ""
    language: str = ""

    @property
    def instance_id(self) -> str:
        """The task's instance id."""
        return self.task.instance_id

    @property
    def repo(self) -> str:
        """The task's repository, `owner/name`."""
        return self.task.repo

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Self:
        """Read a row in SWE-bench's old layout (lists as JSON text) or new layout, or in a form that
        `swebench.data.dialects` knows; unknown columns are ignored.

        Raises InvalidTask for a missing column, a column of the wrong type, or a value Task refuses.
        """
        row = usual(row)
        recipe = row.get("recipe")
        required = ("instance_id", "repo", "base_commit", "problem_statement")
        missing = [name for name in required if row.get(name) is None]
        if missing:
            raise InvalidTask(f"missing column{'s' * (len(missing) > 1)} {', '.join(missing)}")
        return cls(
            task=Task(
                **{
                    name: _text(row, name)
                    for name in (*required, "version", "created_at", "environment_setup_commit")
                },
                test_cmd=_optional(row, "test_cmd"),
                recipe=Recipe.from_columns(recipe) if isinstance(recipe, dict) else None,
            ),
            fail_to_pass=listed(row, "FAIL_TO_PASS"),
            pass_to_pass=listed(row, "PASS_TO_PASS"),
            patch=_text(row, "patch"),
            test_patch=_text(row, "test_patch"),
            hints_text=_text(row, "hints_text"),
            image=_optional(row, "image"),
            eval_script=_optional(row, "eval_script"),
            log_parser=_optional(row, "log_parser"),
            eval_type=_optional(row, "eval_type"),
            install=_optional(row, "install"),
            planted=_text(row, "planted"),
            language=_text(row, "language").lower(),
        )


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    # Some data sets hold dates and versions as values of their own kind; no other column may.
    if name in {"version", "created_at"}:
        return str(value)
    if not isinstance(value, str):
        raise InvalidTask(f"column {name} must be text, not {type(value).__name__}")
    return value


def _optional(row: Mapping[str, object], name: str) -> str | None:
    return None if row.get(name) is None else _text(row, name)


def _short(value: str) -> str:
    return repr(value if len(value) <= 80 else value[:77] + "...")
