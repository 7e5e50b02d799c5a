"""Files keep their bytes through edit and diff: encoding, byte order mark, line ends, tabs, form feeds."""

import codecs
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swebench.patches.diffs import unified_diff
from swebench.patches.edits import EditRejected, Region, apply_replacement
from swebench.patches.gate import refusal
from swebench.patches.source import encoded, encoding_of, file_fault
from tests.swebench.patches.test_diffs import git_env

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
COOKIES = {
    "": "é→",
    "# -*- coding: latin-1 -*-": "éß",
    "# vim: set fileencoding=cp1252 :": "é€",
    "# coding: shift_jis": "表ソ",
    "#coding:iso-2022-jp": "日本",
    "# coding: gb18030": "中文",
    "# coding: koi8-r": "жя",
    "# coding: utf-8": "é→",
}
FORMS = (
    '"""{}"""', "\x0c", "", "    ", "class A:", "\tdef f(self):", "\t\tx = 1  ", "\t\treturn '{}'", "# {}",
    "def g(a,", "      b):", "    s = '''", "\t{}", "  '''", "    return a", "y = (1 +", "\t2)",
)  # fmt: skip


@st.composite
def sources(draw):
    """The text of a file, its encoding, and one of its lines to edit."""
    cookie, letters = draw(st.sampled_from(sorted(COOKIES.items())))
    bom = draw(st.booleans()) and ("utf-8" in cookie or not cookie)
    lines = [cookie, *draw(st.lists(st.sampled_from(FORMS), min_size=1, max_size=14))]
    texts = [line.format(letters) + draw(ENDS) for line in lines]
    if draw(st.booleans()):
        texts[-1] = texts[-1].rstrip("\r\n")
    return "\ufeff" * bom + "".join(texts), letters


def applied(folder, before: bytes, patch: str) -> bytes:
    file = folder / "m.py"
    file.write_bytes(before)
    subprocess.run(["git", "apply", "-"], cwd=folder, input=patch.encode(), check=True, env=git_env(folder))
    return file.read_bytes()


@settings(max_examples=60, deadline=None)
@given(source=sources(), data=st.data())
def test_git_makes_exactly_the_edited_file_in_its_own_encoding(tmp_path_factory, source, data):
    before, letters = source
    place = data.draw(st.integers(len(before.splitlines(keepends=True)[0]), len(before)))
    after = before[:place] + data.draw(st.sampled_from(["x", letters, "\n", "\r\n\t"])) + before[place:]
    if encoding_of(after) != encoding_of(before):
        return
    patch = unified_diff("m.py", before, after)
    assert patch == patch.encode().decode()
    old, new = encoded("m.py", before), encoded("m.py", after)
    assert old.decode(encoding_of(before)) == before
    assert applied(tmp_path_factory.mktemp("apply"), old, patch) == new


MODULE = '''\
class Store:
\tdef find(self, key,
\t         default=None):
\t\t"""Find {letters}.

      as it is
\t\t"""
\t\ttext = "{letters}"
\t\tfor part in key:
\t\t\ttext += part
\t\treturn default - 1
'''


@settings(max_examples=40, deadline=None)
@given(ends=st.lists(ENDS, min_size=12, max_size=12), cookie=st.sampled_from(sorted(COOKIES)), data=st.data())
def test_an_answer_changes_no_line_but_those_it_writes_anew(ends, cookie, data):
    lines = [cookie, *MODULE.format(letters=COOKIES[cookie]).splitlines()]
    ends = ["\n" if "" in lines[n + 1 : n + 2] else end for n, end in enumerate(ends)]  # no \r before a \n
    before = "".join(line + end for line, end in zip(lines, ends, strict=True))
    first = data.draw(st.sampled_from([2, 3, 5, 9, 10]))
    margin = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    answer = [line.removeprefix(margin) for line in lines[first - 1 :]]
    answer[-1] = answer[-1].replace("- 1", "+ 1")
    shown = data.draw(ENDS).join(line.rstrip() for line in answer)
    after = apply_replacement(before, Region("m.py", first, 12), shown)
    assert after == before.replace("- 1", "+ 1")
    assert not file_fault(encoded("m.py", after))


def test_one_line_of_an_answer_changes_one_line_of_a_file_indented_by_tabs():
    statement = "\t\tvalue = compute(a,\n\t\t                self.b)\n"
    before = f"class A:\n\tdef f(self, a):\n{statement}\t\treturn value - 1\n"
    answer = "\tvalue = compute(a,\n\t                self.b)\n\treturn value + 1"
    assert apply_replacement(before, Region("m.py", 3, 5), answer) == before.replace("- 1", "+ 1")


def test_the_text_of_a_string_stays_as_it_was_written():
    before = 'def make(a):\n    rule = """all:\n\techo hi\n\t\techo there\n"""\n    return rule, a\n'
    answer = 'rule = """all:\n\techo hello\n\t\techo there\n"""\nreturn rule, a'
    after = apply_replacement(before, Region("m.py", 2, 6), answer)
    assert after == before.replace("echo hi\n", "echo hello\n")


def test_a_new_docstring_is_indented_and_a_new_text_at_the_left_margin_is_not():
    before = "class A:\n    def f(self):\n        return 1\n"
    docstring = 'def f(self):\n    """Two.\n\n    Lines.\n    """\n    return 1\n'
    assert apply_replacement(before, Region("m.py", 2, 3), docstring).splitlines()[4] == "        Lines."
    text = 'def f(self):\n    return """\nleft\n"""\n'
    assert apply_replacement(before, Region("m.py", 2, 3), text).endswith('"""\nleft\n"""\n')


def test_blanks_at_the_end_of_a_line_that_the_answer_leaves_out_stay():
    before = "def f(a):\n    b = a  \n    \n    return b - 1\n"
    answer = "def f(a):\n    b = a\n\n    return b + 1\n"
    assert apply_replacement(before, Region("m.py", 1, 4), answer) == before.replace("- 1", "+ 1")


LATIN = "# -*- coding: latin-1 -*-\nNAME = 'é'\n\n\ndef f(a):\n    return a - 1\n"


@pytest.mark.parametrize(
    "after",
    [LATIN.replace("- 1", "+ '→'"), LATIN.replace("latin-1", "utf-8"), LATIN.replace("latin-1", "none-such")],
)
def test_what_the_encoding_of_a_file_does_not_hold_is_refused_by_that_name(after):
    assert refusal(LATIN, after) == "not_encodable"
    with pytest.raises(EditRejected) as raised:
        apply_replacement(LATIN, Region("m.py", 1, 6), after)
    assert raised.value.reason == "not_encodable"


def test_a_line_in_another_encoding_is_told_in_ascii_and_in_comments(tmp_path):
    after = LATIN.replace("'é'", "'è'")
    patch = unified_diff("m.py", LATIN, after)
    assert "# -NAME = 'é'\n# +NAME = 'è'\n" in patch and "GIT binary patch" in patch
    assert applied(tmp_path, LATIN.encode("latin-1"), patch) == after.encode("latin-1")


def test_a_line_beside_one_in_another_encoding_is_a_diff_that_people_read(tmp_path):
    after = LATIN.replace("- 1", "+ 1")
    patch = unified_diff("m.py", LATIN, after)
    assert "\n-    return a - 1\n+    return a + 1\n" in patch and patch.isascii()
    assert applied(tmp_path, LATIN.encode("latin-1"), patch) == after.encode("latin-1")


@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        ("# coding: latin-1\rx = 'é'\r", "iso-8859-1"),
        ("\n#!/usr/bin/python\n# coding: latin-1\n", "utf-8"),
        ("\x0c# coding: cp1252\n", "cp1252"),
        ("\ufeffx = 1\n", "utf-8"),
        ("x = '# coding: latin-1'\n", "utf-8"),
    ],
)
def test_a_file_declares_its_encoding_in_its_first_two_lines(source, encoding):
    assert encoding_of(source) == encoding
    assert codecs.lookup(encoding)


@pytest.mark.parametrize(
    "source", ["return 1\n", "def f():\n    pass\nbreak\n", "x = 1\nfrom __future__ import division\n",
               "def f(a, a):\n    pass\n", "def f():\n    x = 1\n    global x\n"]
)  # fmt: skip
def test_what_parses_and_does_not_compile_is_refused(source):
    assert file_fault(source) and file_fault(source.encode())
    before = "x = 0\n"
    assert refusal(before, source) == "does_not_parse"
    with pytest.raises(EditRejected) as raised:
        apply_replacement(before, Region("m.py", 1, 1), source)
    assert raised.value.reason in {"does_not_parse", "truncated"}
