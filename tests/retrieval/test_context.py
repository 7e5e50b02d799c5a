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
    (path, d.name): DefinitionHit.of(d, path, 1.0)
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
def test_every_excerpt_shows_the_lines_it_names_and_no_line_twice(definitions, budget):
    context = build_context(FILES, definitions, TEXTS, budget, words)
    shown = set()
    for excerpt in context.excerpts:
        code = "\n".join(lines_of(TEXTS[excerpt.path])[excerpt.start_line - 1 : excerpt.end_line])
        place = f"{excerpt.path}, lines {excerpt.start_line}-{excerpt.end_line}: {excerpt.name}"
        assert f"### {place}\n{code}\n" in context.text
        lines = {(excerpt.path, number) for number in range(excerpt.start_line, excerpt.end_line + 1)}
        assert not shown & lines
        shown |= lines


def test_the_best_definitions_come_in_the_order_of_their_files():
    context = build_context(
        FILES, [hit("other", "pkg/two.py"), hit("second"), hit("first")], TEXTS, 1000, words
    )
    assert [(excerpt.path, excerpt.name) for excerpt in context.excerpts] == [
        ("pkg/one.py", "first"),
        ("pkg/one.py", "second"),
        ("pkg/two.py", "other"),
    ]
    assert "import os" not in context.text


def test_a_definition_that_does_not_fit_makes_way_for_a_smaller_one():
    context = build_context(
        FILES, [hit("second"), hit("other", "pkg/two.py"), hit("first")], TEXTS, 30, words
    )
    assert [excerpt.name for excerpt in context.excerpts] == ["first", "second"]


def test_a_class_is_shown_up_to_its_first_method_and_joined_with_a_method_that_follows():
    alone = build_context(FILES, [hit("Thing")], TEXTS, 1000, words)
    assert "limit = 3" in alone.text
    assert "def grow" not in alone.text
    joined = build_context(FILES, [hit("Thing.grow"), hit("Thing")], TEXTS, 1000, words)
    assert [(excerpt.start_line, excerpt.end_line, excerpt.name) for excerpt in joined.excerpts] == [
        (12, 19, "Thing, Thing.grow")
    ]


def test_the_best_definition_is_cut_to_the_longest_start_that_fits():
    context = build_context(FILES, [hit("other", "pkg/two.py")], TEXTS, 40, words)
    (excerpt,) = context.excerpts
    longer = f"### pkg/two.py, lines 1-{excerpt.end_line + 1}: other\n" + "\n".join(
        lines_of(TWO)[: excerpt.end_line + 1]
    )
    assert excerpt.end_line > 5
    assert context.tokens <= 40 < words(longer)


def test_definitions_of_files_that_were_not_hit_are_passed_over():
    context = build_context(FILES[:1], [hit("other", "pkg/two.py")], TEXTS, 1000, words)
    assert (context.text, context.excerpts, context.tokens) == ("", (), 0)
