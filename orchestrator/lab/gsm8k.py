"""GSM8K, steered and not, with and without examples in the prompt: what `lab gsm8k` does."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.data import DataSet, data_set
from orchestrator.lab.items import Item, Said, cut
from orchestrator.lab.provenance import Analysis, Provenance, determinants, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from swebench.errors import InvalidRow
from vectors.errors import UnfitAnalysis
from vectors.lab.evaluation.conditions import conditions
from vectors.lab.evaluation.gsm8k import EXAMPLES, ORIGINAL, SHOTS, STYLES, Problem, in_turns
from vectors.lab.evaluation.solving import (
    Cell,
    Interference,
    Steered,
    against_unsteered,
    interference,
    solve,
)
from vectors.lab.figures.problems import solving_figure
from vectors.measuring.asking import units_of
from vectors.measuring.journal import Journal, digest_of
from vectors.statistics.draws import drawn
from vectors.suggestions import did_you_mean

VECTORS = ("math_reasoning", "code_reading")
"""One of the benchmark's own domain, and the one that the variant static steers every prompt with."""
_COLUMNS = {"question": str, "answer": str}


class Gsm8kSettings(Record):
    """What was asked and how. `form` is how prompts were put, `items` the numbers of the rows, from 0."""

    data: str
    styles: tuple[str, ...]
    steerings: tuple[str, ...]
    form: str
    tokens: int
    seed: int
    items: tuple[int, ...]


class Gsm8kResult(Analysis):
    """Accuracy by style and condition, steered against unsteered, and the interference of examples."""

    settings: Gsm8kSettings
    cells: tuple[Cell, ...]
    against_unsteered: tuple[Steered, ...]
    interference: tuple[Interference, ...]

    def findings(self) -> tuple[Finding, ...]:
        """The first vector at its first layer and strength: named before anything was measured."""
        found = []
        for each in self.against_unsteered:
            if each.style == "cot" and each.condition == self.against_unsteered[0].condition:
                measures = f"solved by chain of thought: {each.condition.name} − unsteered"
                found.append(
                    finding("zero_shot_gains", each.flexible.difference, measures, beyond=0, above=True)
                )
        pairs = [each for each in self.interference if each.condition == self.interference[0].condition]
        for most in pairs[-1:]:
            measures = f"effect of {most.condition.name} in {most.style} − that in {most.against}"
            found.append(finding("few_shot_interferes", most.difference, measures, beyond=0, above=False))
        return tuple(found)

    def section(self) -> Section:
        """A row a style and condition, then the differences, then the interference."""
        header = ["prompt", "steered by", "strict", "flexible", "flexible − strict", "original's rule"]
        accuracy = [
            [
                cell.style,
                cell.condition.name,
                *(shown(each, ".1%") for each in (cell.strict, cell.flexible)),
                shown(cell.format_gap, "+.1%"),
                shown(cell.original, ".1%"),
                shown(cell.ended, ".0%"),
                shown(cell.degenerate, ".0%"),
            ]
            for cell in self.cells
        ]
        tables = [Table([*header, "ended", "degenerate"], accuracy)]
        if self.against_unsteered:
            rows = [
                [
                    each.style,
                    each.condition.name,
                    shown(each.flexible.difference, "+.1%"),
                    f"{each.flexible.only_first} : {each.flexible.only_second}",
                    f"{each.flexible.p:.3f}",
                    f"{each.flexible.p_holm:.3f}",
                    shown(each.strict.difference, "+.1%"),
                    f"{each.strict.p_holm:.3f}",
                ]
                for each in self.against_unsteered
            ]
            tests = ["flexible − unsteered", "only steered : only un-", "p", "p, Holm"]
            tables.append(Table(["prompt", "steered by", *tests, "strict − unsteered", "p, Holm"], rows))
        if self.interference:
            effects = [
                [each.style, each.against, each.condition.name, shown(each.difference, "+.1%")]
                for each in self.interference
            ]
            names = ["beside examples", "without", "steered by", "effect beside examples − without"]
            tables.append(Table(names, effects))
        return Section(f"GSM8K: {self.heading}", self._notes(), tables)

    def figure(self) -> Figure:
        """Bars by style, and the differences."""
        title = f"GSM8K: {self.heading}"
        return solving_figure(self.cells, self.against_unsteered, self.interference, title)

    def _notes(self) -> str:
        steerings = [text for text in self.settings.steerings if text != "none"]
        return "\n".join(
            [
                f"{self.settings.data}, {len(self.settings.items)} problems, prompts as "
                f"{self.settings.form}, at most {self.settings.tokens} tokens",
                *steerings,
                "strict, flexible: the filters of lm-eval 0.4.13; exact McNemar tests, Holm over the table",
                evidence(self.cells[0].flexible.n),
            ]
        )


def measure_gsm8k(
    session: Session,
    *,
    dataset: str = "gsm8k",
    vectors: Sequence[str] = VECTORS,
    styles: Sequence[str] = STYLES,
    layers: Sequence[int] = (),
    shares: Sequence[float] = (),
    examples: str | None = None,
    limit: int = 200,
    tokens: int = 256,
    seed: int = 0,
    as_original: bool = False,
    journal: Journal | None = None,
) -> Gsm8kResult:
    """Solve `limit` problems, drawn with `seed`, in each style, unsteered and steered by each vector.

    Vectors steer at each of `layers` and `shares` of the residual's spread, else at their own layer and
    strength. `examples` names rows to show in place of our own. `as_original` adds the original's prompts to
    the styles that have one. Answers are kept in `journal`. Raises UnfitAnalysis, what `data_set` raises,
    PromptSetError, VectorFileError, SteeringMismatch, and what keeps a model from being opened.
    """
    styles = _styles(styles, as_original=as_original)
    cache, progress = session.settings.cache, session.progress
    found = data_set(dataset, _COLUMNS, cache=cache, progress=progress)
    problems = _problems(found)
    shown_first: Sequence[Problem] = EXAMPLES
    digest = ""
    if examples is not None:
        given = data_set(examples, _COLUMNS, cache=cache, progress=progress)
        shown_first, digest = tuple(_problems(given)), given.sha256
    _enough(shown_first, styles)
    items = drawn(range(len(problems)), limit, seed)
    known = [vector_of(session, name) for name in vectors]
    steered = conditions(known, layers, shares)
    settings = Gsm8kSettings(
        data=found.source,
        styles=tuple(styles),
        steerings=tuple(condition.text for condition, _ in steered),
        form="turns of the chat template" if in_turns(session.model) else "plain text",
        tokens=tokens,
        seed=seed,
        items=tuple(items),
    )
    provenance = Provenance.of(session, known)
    digests = {
        "data_sha256": found.sha256,
        "examples_sha256": digest or digest_of([(each.question, each.answer) for each in EXAMPLES]),
    }
    journal = journal or Journal()
    units = units_of(len(styles) * len(items) * len(steered))
    journal.begin(determinants(session, "gsm8k", provenance, settings, **digests), units)
    cells = solve(
        session.engine,
        session.model,
        [problems[item] for item in items],
        styles,
        steered,
        shown_first,
        tokens=tokens,
        journal=journal,
        progress=progress,
    )
    return Gsm8kResult(
        provenance=provenance,
        settings=settings,
        cells=tuple(cells),
        against_unsteered=tuple(against_unsteered(cells)),
        interference=tuple(interference(cells)),
        items=tuple(_items(items, problems, cells)),
    )


def _items(numbers: Sequence[int], problems: Sequence[Problem], cells: Sequence[Cell]) -> Iterator[Item]:
    for place, number in enumerate(numbers):
        said = [
            Said(
                condition=f"{cell.style}, {cell.condition.name}",
                text=cut(cell.answers[place].text),
                right=cell.solved[place],
            )
            for cell in cells
        ]
        problem = problems[number]
        expected = problem.answer.rpartition("#### ")[2]
        yield Item(name=str(number), group="", question=problem.question, expected=expected, said=tuple(said))


def check_styles(styles: Sequence[str]) -> None:
    """Raise UnfitAnalysis for a style that there is not, or one twice."""
    for style in styles:
        if style not in STYLES:
            raise UnfitAnalysis(
                f"no style {style!r}: expected {', '.join(STYLES)}{did_you_mean(style, list(STYLES))}"
            )
    if len(set(styles)) < len(styles) or not styles:
        raise UnfitAnalysis(f"styles {', '.join(styles) or 'none'}: name each once, at least one")


def _styles(styles: Sequence[str], *, as_original: bool) -> list[str]:
    check_styles(styles)
    theirs = [ORIGINAL[style] for style in styles if style in ORIGINAL] if as_original else []
    return [*styles, *theirs]


def _problems(found: DataSet) -> list[Problem]:
    problems = []
    for number, row in enumerate(found.rows, 1):
        problem = Problem(str(row["question"]), str(row["answer"]))
        if "#### " not in problem.answer:
            raise InvalidRow(f"{found.source}, row {number}: the answer does not end with #### and a number")
        problems.append(problem)
    return problems


def _enough(examples: Sequence[Problem], styles: Sequence[str]) -> None:
    most = max((SHOTS.get(style.removeprefix("original "), 0) for style in styles), default=0)
    if len(examples) < most:
        raise UnfitAnalysis(f"{len(examples)} examples: a style needs {most}; give a file of as many rows")
