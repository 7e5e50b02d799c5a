"""How tokenizers cut text, side by side: what `lab tokenizers` does. No model takes part."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

from matplotlib.figure import Figure
from pydantic import JsonValue, TypeAdapter

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.corpora import bundled_corpora, file_corpora
from orchestrator.lab.provenance import Result
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Row, Section, Table
from vectors.errors import UnfitAnalysis
from vectors.lab.figures.tokenization import tokenizer_figure
from vectors.lab.geometry.comparing import Cost, Divergence, Profile, divergences, profiles
from vectors.lab.geometry.cutting import Counts, counted
from vectors.lab.geometry.original_scores import PUBLISHED, Scores
from vectors.lab.geometry.passages import BROWN, brown, corpus, own_corpora, own_prompts, tool_calls
from vectors.lab.geometry.tokenizers import Cutter, check_tokenizer, open_tokenizer
from vectors.measuring.journal import Journal, digest_of
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate

MOST = 8
_TORN = 0.9
"""From this share of time stamps on a tokenizer is said to tear them."""
_COUNTS = TypeAdapter(Counts)


class TokenizerSettings(Record):
    """How many timestamps, tool calls and numerals of each length were drawn, and from which seed."""

    n: int
    seed: int
    as_original: bool


class CorpusSummary(Record):
    """What was cut: how many texts, in how many groups, and their hash."""

    name: str
    texts: int
    groups: int
    sha256: str

    @property
    def title(self) -> str:
        """The name with n."""
        return f"{self.name} ({self.texts})"


class TokenizersResult(Result):
    """Tokenizers side by side; `original` are the original's scores of each, where they were asked for."""

    settings: TokenizerSettings
    corpora: tuple[CorpusSummary, ...]
    tokenizers: tuple[Profile, ...]
    divergences: tuple[Divergence, ...]
    original: dict[str, Scores]

    @property
    def heading(self) -> str:
        """Which tokenizers these are."""
        return ", ".join(each.tokenizer for each in self.tokenizers)

    def findings(self) -> tuple[Finding, ...]:
        """Whether even the tokenizer that tears the fewest time stamps tears them."""
        best = min(self.tokenizers, key=lambda each: each.torn.value)
        measures = f"share of ISO 8601 timestamps with a cut inside a field, {best.tokenizer}, the lowest"
        return (finding("time_stamps_are_torn", best.torn, measures, beyond=_TORN, above=True),)

    def section(self) -> Section:
        """A table a question, the tokenizers side by side in each."""
        names = [each.tokenizer for each in self.tokenizers]
        tables = [
            self._by_corpus("bytes a token, mean over texts", lambda cost: cost.bytes_per_token),
            self._by_corpus("tokens a word", lambda cost: cost.tokens_per_word),
            self._by_corpus(
                "cost: more tokens than the tokenizer that needs the fewest for the corpus",
                lambda cost: cost.more,
                "+.1%",
            ),
            self._by_corpus("tokens of an identifier (snake_case, camelCase)", lambda c: c.tokens_per_name),
            self._by_corpus("identifiers that nothing cuts", lambda cost: cost.whole_names, ".1%"),
            Table(["", *names], self._times(), caption="ISO 8601 timestamps, tool calls, languages"),
            Table(
                ["digits", *names], self._numerals(), caption="how a whole number is cut, and how often so"
            ),
            Table(
                ["", "sentences cut otherwise", "first such cut, median", "where, for example"],
                [
                    [
                        f"{each.one} / {each.other}",
                        shown(each.differ, ".0%"),
                        "—" if each.place is None else f"character {each.place:g}",
                        each.example or "—",
                    ]
                    for each in self.divergences
                ],
                caption="first divergent cut (| both cut, ‖ one of them)",
            ),
        ]
        if self.original:
            tables.append(self._original())
        n = evidence(self.settings.n)
        text = (
            f"Timestamps, tool calls and numerals: {n}. Texts of a repository are not independent: where a "
            "corpus has several, means and intervals are over repositories. Below 200 texts: no claim."
        )
        return Section(f"{self.heading}: how text is cut", text, [t for t in tables if t.rows])

    def figure(self) -> Figure:
        """Counts, radar, bytes a token, one request in pieces, torn fields."""
        lengths = {name: len(text) for name, text in own_prompts().items()}
        note = f"{self.settings.n} timestamps; 95 % intervals"
        return tokenizer_figure(self.tokenizers, lengths, f"{self.heading}\n{note}")

    def _by_corpus(self, caption: str, figure: Callable[[Cost], Estimate | None], form: str = ".2f") -> Table:
        rows: list[Row] = []
        for each in self.corpora:
            found = [figure(profile.costs[each.name]) for profile in self.tokenizers]
            if any(found):
                rows.append([each.title, *("—" if one is None else shown(one, form) for one in found)])
        return Table(["texts (n)", *(each.tokenizer for each in self.tokenizers)], rows, caption=caption)

    def _times(self) -> list[Row]:
        of = self.tokenizers
        return [
            ["vocabulary", *(f"{each.vocabulary:,}" for each in of)],
            ["tokens of a timestamp", *(shown(each.stamp_tokens, ".1f") for each in of)],
            ["timestamps cut inside a field", *(shown(each.torn, ".1%") for each in of)],
            *(
                [f"inside: {name}", *(shown(each.by_field[name], ".1%") for each in of)]
                for name in of[0].by_field
            ),
            ["tool call: tokens of structure", *(shown(each.structure, ".1%") for each in of)],
            ["French / English tokens", *(shown(each.parity) for each in of)],
        ]

    def _numerals(self) -> list[Row]:
        return [
            [
                str(digits),
                *(
                    f"{each.groupings[digits][0]} ({each.groupings[digits][1].value:.0%})"
                    for each in self.tokenizers
                ),
            ]
            for digits in self.tokenizers[0].groupings
        ]

    def _original(self) -> Table:
        header = [
            "",
            "overall",
            "temporal",
            "semantic",
            "JSON",
            "parity",
            "published: overall, temporal, JSON, parity",
        ]
        rows = [
            [
                name,
                *(f"{figure:.3f}" for figure in asdict(scores).values()),
                ", ".join(f"{figure:.3f}" for figure in PUBLISHED.get(name, ())) or "—",
            ]
            for name, scores in self.original.items()
        ]
        return Table(header, rows, caption="the original's scores, as it computes them, from seven texts")


def check_names(names: Sequence[str]) -> None:
    """Raise UnfitAnalysis for too many tokenizers or one named twice, ModelUnavailable for an unknown one."""
    if len(names) > MOST:
        raise UnfitAnalysis(f"{len(names)} tokenizers were named: a table and a picture hold {MOST}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UnfitAnalysis(f"{twice} was named twice: name each tokenizer once")
    for name in names:
        check_tokenizer(name)


def compare_tokenizers(
    names: Sequence[str],
    texts: Sequence[Path] = (),
    *,
    cache: Path,
    with_brown: bool = False,
    n: int = 400,
    seed: int = 0,
    as_original: bool = False,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> TokenizersResult:
    """Cut the same texts with each tokenizer: our own, the bundled tasks', those of files, and drawn ones.

    Raises UnfitAnalysis, ModelUnavailable, TextSetError and InvalidRow.
    """
    check_names(names)
    corpora = [
        *own_corpora(),
        *bundled_corpora(),
        corpus("tool calls", [c.text for c in tool_calls(n, seed)]),
    ]
    corpora += [each for path in texts for each in file_corpora(path)]
    if with_brown:
        corpora.append(corpus("Brown", brown(BROWN.ensure(cache, progress))))
    cutters = [open_tokenizer(name, cache=cache, progress=progress) for name in names]
    if len({each.name for each in cutters}) < len(cutters) or len({c.name for c in corpora}) < len(corpora):
        raise UnfitAnalysis("two tokenizers, or two files of texts, have one name: rename a folder or a file")
    summaries = tuple(
        CorpusSummary(
            name=each.name, texts=len(each.texts), groups=len(set(each.groups)), sha256=digest_of(each.texts)
        )
        for each in corpora
    )
    settings = TokenizerSettings(n=n, seed=seed, as_original=as_original)
    facts: dict[str, JsonValue] = {
        "experiment": "tokenizers",
        "tokenizers": {each.name: each.sha256 for each in cutters},
        "settings": settings.model_dump(mode="json"),
        "corpora": [each.model_dump(mode="json") for each in summaries],
        "versions": {"tokenizers": version("tokenizers")},
    }
    journal = journal or Journal()
    journal.begin(facts, len(cutters))

    def cut(cutter: Cutter) -> object:
        return _COUNTS.dump_python(counted(cutter, corpora, n, seed), mode="json")

    units = journal.each("cutting", [partial(cut, cutter) for cutter in cutters], progress)
    counts = [_COUNTS.validate_python(unit) for unit in units]
    return TokenizersResult(
        settings=settings,
        corpora=summaries,
        tokenizers=tuple(profiles(counts, corpora)),
        divergences=tuple(divergences(counts)),
        original={each.tokenizer: each.original for each in counts} if as_original else {},
    )
