import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import swebench
from swebench.catalogue import Code, propose
from swebench.patches.source import same_code, syntax_fault

FUNCTION = """\
import os
from tools import make_hashable


class Table(Base):
    def __init__(self, width, strict=False):
        self.width = width
        self.strict = strict
        self.rows = make_hashable(rows)

    def find(self, key, start=None, **options):
{body}
"""


def with_body(body: str) -> str:
    return FUNCTION.format(body=textwrap.indent(body, " " * 8))


TRY = "try:\n    pass\nexcept {}:\n    pass"
REPAIRS = [
    ("comparison", "return key < start", "return key <= start"),
    ("comparison", "return key == start", "return key is start"),
    ("comparison", "return key in start", "return key not in start"),
    ("boundary", "return range(start)", "return range(start + 1)"),
    ("boundary", "return key[1:]", "return key[2:]"),
    ("boundary", "return key[: start + 2]", "return key[: start + 2 + 1]"),
    ("slice", "return key[start:]", "return key[:]"),
    ("slice", "return key[:start]", "return key[start:]"),
    ("slice", "return key[1:]", "return key[:1]"),
    ("slice", "return key[0]", "return key[-1]"),
    ("operator", "return key + start", "return key - start"),
    ("operator", "return key + start", "return key * start"),
    ("operator", "return key // start", "return key % start"),
    ("operator", "return key and start", "return key or start"),
    ("operator", "key += start", "key = start"),
    ("operand", "return key - start - 1", "return key - 1"),
    ("operand", "return (key) and (start) and 1", "return (key) and 1"),
    ("swap", "return key - start", "return start - key"),
    ("swap", "return key + '-' + start", "return start + '-' + key"),
    ("swap", "return (key) + f'{start}'", "return f'{start}' + (key)"),
    ("swap", "return look(key, start)", "return look(start, key)"),
    ("negation", "if key:\n    pass", "if not key:\n    pass"),
    ("negation", "return not key", "return key"),
    ("negation", "return -1", "return 1"),
    ("literal", "return look(True)", "return look(False)"),
    ("literal", "return 'row'", "return 'row '"),
    ("argument", "return look(key, start)", "return look(key)"),
    ("argument", "return look(key)", "return look(key, start=start)"),
    ("argument", "return look(key)", "return look(key, strict=self.strict)"),
    ("argument", "return look()", "return look(**options)"),
    ("default", "return max([key])", "return max([key], default=None)"),
    ("default", "return key.get(start)", "return key.get(start, {})"),
    ("default", "del key['to']", "key.pop('to', None)"),
    ("default", "return key[start]", "return key.get(start)"),
    ("default", "for row in start:\n    pass", "for row in start or ():\n    pass"),
    ("call", "return key.split(',')", "return key.rsplit(',')"),
    ("call", "return repr(key)", "return str(key)"),
    ("call", "return key.__name__", "return key.__qualname__"),
    ("missing call", "self.rows = start", "self.rows = start.copy()"),
    ("missing call", "return (key, start)", "return (make_hashable(key), start)"),
    ("needless call", "return str(key)", "return key"),
    ("name", "start_row = key\nreturn start", "start_row = key\nreturn start_row"),
    ("name", "return self.widths", "return self.width"),
    ("guard", "if key:\n    pass", "if key and start is not None:\n    pass"),
    ("guard", "return look(start)", "if start is None:\n    return None\nreturn look(start)"),
    ("guard", "if key:\n    pass", "if key is not None:\n    pass"),
    ("return", "return key", "return None"),
    ("return", "look(key)", "return look(key)"),
    ("exception", TRY.format("KeyError"), TRY.format("(KeyError, TypeError)")),
    ("exception", "raise TypeError(key)", "raise ValueError(key)"),
    ("type", "return isinstance(key, bytes)", "return isinstance(key, (bytes, memoryview))"),
    ("removal", "look(key)\nreturn key", "return key"),
    ("none", "return not key", "return key is None"),
    ("none", "return key or start", "return start if key is None else key"),
    ("default", "return max(k for k in key)", "return max((k for k in key), default=None)"),
    ("missing call", "return key < start", "return key < int(start)"),
    ("call", "return operator.gt(key)", "return operator.ge(key)"),
    ("guard",
     "rows = look(key)\nreturn rows[0]",
     "rows = look(key)\nif not rows:\n    return rows\nreturn rows[0]"),
    ("condition",
     "if self.strict:\n    pass\nif key:\n    pass",
     "if self.strict:\n    pass\nif key and self.strict:\n    pass"),
    ("condition",
     "if key:\n    pass\nif start:\n    pass\nelse:\n    pass",
     "if key:\n    pass\nif start:\n    pass\nelif key:\n    pass"),
    ("condition", "return [k for k in key]", "return [k for k in key if k]"),
    ("keyword",
     "look(key, deep=True)\nreturn look(start)",
     "look(key, deep=True)\nreturn look(start, deep=True)"),
    ("keyword", "return self.find(key, start)", "return self.find(key, start, start=start)"),
    ("order", "look(key)\nreturn start", "return start\nlook(key)"),
    ("exception", "try:\n    pass\nexcept:\n    pass", "try:\n    pass\nexcept ValueError:\n    pass"),
    ("exception", TRY.format("KeyError"), TRY.format("OSError")),
    ("return", "raise KeyError(key)", "return NotImplemented"),
    ("related literal", "return open(key, 'r')", "return open(key, 'rb')"),
    ("conversion", "return 'no %s' % key", "return 'no %r' % key"),
    ("pattern", "return re.match('a+b', key)", "return re.match('a*b', key)"),
    ("pattern", "return re.match('a', key)", "return re.match('a$', key)"),
    ("pattern", "return re.match('a', key)", "return re.match('a', key, flags=re.DOTALL)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "before", "after"), REPAIRS, ids=[f"{k}: {a}" for k, _, a in REPAIRS])
def test_the_catalogue_proposes_the_repair(kind: str, before: str, after: str) -> None:
    source, wanted = with_body(before), with_body(after)
    found = [
        edit
        for edit in propose(Code(source), 11, 11 + len(before.split("\n")))
        if same_code(edit.apply(source), wanted)
    ]
    assert kind in {edit.kind for edit in found}


def test_a_name_of_the_report_may_come_in_that_the_file_lacks() -> None:
    source = with_body("return self.model._default_manager")
    assert "_base_manager" not in {edit.text for edit in propose(Code(source), 12, 12)}
    assert "_base_manager" in {edit.text for edit in propose(Code(source, ["_base_manager"]), 12, 12)}


def test_a_module_or_a_text_gets_only_attributes_that_it_has() -> None:
    source = (
        "import re\n\n\ndef look(key):\n"
        "    return re.compile('{}'.format(key)), key.com, key.formset, key.re_compile\n"
    )
    found = "\n".join(proposed(source, 5, 5))
    for wrong in ("re.com(", "re.re_compile(", "'{}'.formset(", "return re('"):
        assert wrong not in found
    assert "key.com, key.formset, key.com" in found


def test_text_of_the_report_may_replace_a_constant() -> None:
    source = "POLICY = None\n"
    assert "'same-origin'" in {edit.text for edit in propose(Code(source, quoted=["same-origin"]), 1, 1)}


def proposed(source: str, first: int, last: int, **mentioned: list[str]) -> list[str]:
    return [edit.apply(source) for edit in propose(Code(source, **mentioned), first, last)]


def test_a_mutable_default_that_calls_share_is_copied_below_the_docstring() -> None:
    source = 'def look(rows=[], *, names={}):\n    """Look."""\n    return rows\n'
    found = proposed(source, 1, 3)
    for copied in ("rows = list(rows)", "names = dict(names)"):
        assert source.replace("    return", f"    {copied}\n    return") in found


def test_of_a_file_of_thousands_of_names_only_the_first_are_compared() -> None:
    names = "\n".join(f"some_long_name_{number} = {number}" for number in range(5000))
    source = f"{names}\n\n\ndef look():\n    return some_long_name_43210\n"
    last = [each.splitlines()[-1].split("_")[-1] for each in proposed(source, 5004, 5004)]
    numbers = [int(text) for text in last if text.isdigit()]
    assert numbers
    assert max(numbers) < 1000, "some_long_name_4321 is likest"


@pytest.mark.parametrize("name", ["patches/edits.py", "running/runner.py"])
def test_edits_come_in_the_same_order_in_every_process(name: str) -> None:
    code = (
        "import sys; from swebench.catalogue import Code, propose; s = open(sys.argv[1]).read();"
        "print(propose(Code(s, ['Path'], ['a', 'b']), 1, s.count(chr(10))))"
    )
    command = [sys.executable, "-c", code, str(Path(swebench.__file__).parent / name)]
    found = [
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert found[0].stdout == found[1].stdout


def test_annotations_are_left_alone() -> None:
    head = "def look(key: list[int], *, row: 'str' = 'a') -> tuple[int]:\n"
    source = head + "    last: set[int] = key\n    return last\n"
    for changed in proposed(source, 1, 3):
        for annotation in (": list[int]", ": 'str' =", "-> tuple[int]:", ": set[int]"):
            assert annotation in changed


def test_a_parameter_may_be_left_out() -> None:
    found = proposed("def look(self, key, width: int):\n    return key\n", 1, 2)
    assert "def look(self, key, width: int = None):\n    return key\n" in found


def test_an_exception_of_the_report_comes_with_its_import() -> None:
    source = f"from tools import Broken\nimport other\n\n{TRY.format('Broken')}\n"
    found = proposed(source, 4, 7, dotted=["tools.Lost", "other.Odd", "third.Gone"])
    swapped = source.replace("except Broken", "except {}")
    assert swapped.format("Lost").replace("import Broken", "import Broken, Lost") in found
    assert swapped.format("(Broken, other.Odd)") in found
    assert not any("Gone" in each for each in found)


def test_what_is_done_for_one_name_is_done_for_one_that_the_report_mentions() -> None:
    source = with_body("result.width = copy(self.width)\nreturn result.strict")
    wanted = with_body(
        "result.width = copy(self.width)\nresult.strict = copy(self.strict)\nreturn result.strict"
    )
    assert wanted in proposed(source, 12, 13, mentioned=["strict", "unknown"])


def test_a_text_that_the_report_quotes_joins_a_list_and_a_comparison() -> None:
    found = proposed("kinds = ['a']\nwas = kind == 'a'\n", 1, 2, quoted=["b"])
    assert "kinds = ['a', 'b']\nwas = kind == 'a'\n" in found
    assert "kinds = ['a']\nwas = kind in ('a', 'b')\n" in found


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_columns_are_characters_whatever_the_encoding_and_the_line_ends(mark: str, end: str) -> None:
    source = mark + end.join(["naïve = '日本'; wert = größe < 3", ""])
    wanted = source.replace("<", "<=")
    assert wanted in {edit.apply(source) for edit in propose(Code(source), 1, 1)}


def test_a_number_too_long_to_be_written_is_left_alone() -> None:
    assert {edit.kind for edit in propose(Code(f"x = 0x{'f' * 5000}\n"), 1, 1)} == {"removal"}


def test_a_docstring_is_left_alone() -> None:
    source = with_body('"""Return the key."""\nreturn f"{key} of"')
    edits = propose(Code(source), 12, 12)
    assert {edit.kind for edit in edits} <= {"guard"}, "what stands before the statement may still change"


def test_an_argument_of_a_call_over_several_lines_is_found_from_its_own_line() -> None:
    source = with_body("look(\n    key,\n    start,\n)")
    edits = propose(Code(source), 14, 14)
    assert any(
        same_code(edit.apply(source), with_body("look(key, start, strict=self.strict)")) for edit in edits
    )


FILES = sorted(Path(swebench.__file__).parent.rglob("*.py"))[:40]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_edits_begin_in_the_lines_asked_for_change_something_and_none_comes_twice(path: Path) -> None:
    source = path.read_text()
    code = Code(source)
    n_lines = source.count("\n")
    first, last = n_lines // 3 + 1, max(n_lines // 2, n_lines // 3 + 1)
    edits = propose(code, first, last)
    assert len({(edit.start, edit.end, edit.text) for edit in edits}) == len(edits)
    for edit in edits:
        assert first <= code.line_of(edit.start) <= last
        assert edit.apply(source) != source
        assert source[: edit.start] == edit.apply(source)[: edit.start]


def test_most_edits_parse() -> None:
    source = (Path(swebench.__file__).parent / "patches" / "edits.py").read_text()
    edits = propose(Code(source), 1, source.count("\n"))
    sample = edits[:: max(len(edits) // 300, 1)]
    parsing = [edit for edit in sample if not syntax_fault(edit.apply(source))]
    assert len(parsing) > 0.97 * len(sample)


@settings(max_examples=50)
@given(st.text(alphabet="aé日\U0001f600 '", min_size=0, max_size=8))
def test_a_span_is_the_text_of_its_node(text: str) -> None:
    source = f"x = {text!r}; y = [{text!r}, z]\n"
    code = Code(source)
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Constant):
            assert ast.literal_eval(code.text(node)) == text
        elif isinstance(node, ast.Name):
            assert code.text(node) == node.id


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_that_an_edit_brings_in_end_as_those_around_them_do(end):
    body = "first = key\nif key is None:\n    raise ValueError(key)\nfirst.sort()\nreturn start"
    source = with_body(body).replace("\n", end)
    code = Code(source)
    edits = propose(code, 1, code.n_lines)
    assert {edit.kind for edit in edits if end in edit.text} >= {"guard", "order"}
    for edit in edits:
        assert "\n" not in edit.apply(source).replace("\r\n", "")
        assert end == "\r\n" or "\n" not in edit.apply(source)


def test_in_a_file_that_mixes_line_ends_a_new_line_ends_as_its_neighbour_does():
    source = "def f(a):\n    b = a\r\n    return b\n"
    afters = {edit.apply(source) for edit in propose(Code(source), 2, 2) if edit.kind == "guard"}
    assert "def f(a):\n    if a is None:\r\n        return None\r\n    b = a\r\n    return b\n" in afters
