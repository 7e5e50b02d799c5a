from hypothesis import given
from hypothesis import strategies as st

from retrieval.context import build_context
from retrieval.definition_hits import DefinitionHit
from retrieval.definitions import find_definitions, lines_of
from retrieval.search import FileHit

ONE = """\
import os


def first(a):
    return a


def second(b):
    return os.fspath(b)


class Thing(Base):
    \"\"\"A thing.\"\"\"

    limit = 3

    def grow(self):
        self.limit += 1
        return self
"""
TWO = "def other():\n" + "".join(f"    x{i} = {i}\n" for i in range(60))
TEXTS = {"pkg/one.py": ONE, "pkg/two.py": TWO}
FILES = [FileHit("pkg/one.py", 2.0, {}), FileHit("pkg/two.py", 1.0, {})]
ALL = {
    (path, d.name): DefinitionHit(path, d.name, d.kind, d.start_line, d.end_line, 1.0)
    for path, text in TEXTS.items()
    for d in find_definitions(text)
}
definition_lists = st.permutations(list(ALL.values())).flatmap(
    lambda hits: st.integers(0, len(hits)).map(lambda n: hits[:n])
)


def words(text: str) -> int:
    return len(text.split())


def hit(name: str, path: str = "pkg/one.py") -> DefinitionHit:
    return ALL[path, name]


@given(definition_lists, st.integers(0, 200), st.sampled_from([words, len, lambda text: 7 + len(text) // 3]))
def test_the_text_never_counts_more_than_the_budget(definitions, budget, count):
    context = build_context(FILES, definitions, TEXTS, budget, count)
    assert context.tokens == (count(context.text) if context.text else 0)
    assert context.tokens <= budget or not context.text


@given(definition_lists, st.integers(0, 200))
def test_every_span_shows_the_lines_it_names_and_no_line_twice(definitions, budget):
    context = build_context(FILES, definitions, TEXTS, budget, words)
    shown = set()
    for span in context.spans:
        code = "\n".join(lines_of(TEXTS[span.path])[span.start_line - 1 : span.end_line])
        assert (
            f"### {span.path}, lines {span.start_line}-{span.end_line}: {span.name}\n{code}\n" in context.text
        )
        lines = {(span.path, number) for number in range(span.start_line, span.end_line + 1)}
        assert not shown & lines
        shown |= lines


def test_the_best_definitions_come_in_the_order_of_their_files():
    context = build_context(
        FILES, [hit("other", "pkg/two.py"), hit("second"), hit("first")], TEXTS, 1000, words
    )
    assert [(span.path, span.name) for span in context.spans] == [
        ("pkg/one.py", "first"),
        ("pkg/one.py", "second"),
        ("pkg/two.py", "other"),
    ]
    assert "import os" not in context.text


def test_a_definition_that_does_not_fit_makes_way_for_a_smaller_one():
    context = build_context(
        FILES, [hit("second"), hit("other", "pkg/two.py"), hit("first")], TEXTS, 30, words
    )
    assert [span.name for span in context.spans] == ["first", "second"]


def test_a_class_is_shown_up_to_its_first_method_and_joined_with_a_method_that_follows():
    alone = build_context(FILES, [hit("Thing")], TEXTS, 1000, words)
    assert "limit = 3" in alone.text
    assert "def grow" not in alone.text
    joined = build_context(FILES, [hit("Thing.grow"), hit("Thing")], TEXTS, 1000, words)
    assert [(span.start_line, span.end_line, span.name) for span in joined.spans] == [
        (12, 19, "Thing, Thing.grow")
    ]


def test_the_best_definition_is_cut_to_the_longest_start_that_fits():
    context = build_context(FILES, [hit("other", "pkg/two.py")], TEXTS, 40, words)
    (span,) = context.spans
    longer = f"### pkg/two.py, lines 1-{span.end_line + 1}: other\n" + "\n".join(
        lines_of(TWO)[: span.end_line + 1]
    )
    assert span.end_line > 5
    assert context.tokens <= 40 < words(longer)


def test_definitions_of_files_that_were_not_hit_are_passed_over():
    context = build_context(FILES[:1], [hit("other", "pkg/two.py")], TEXTS, 1000, words)
    assert (context.text, context.spans, context.tokens) == ("", (), 0)
