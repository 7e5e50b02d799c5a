"""What the benchmarks of retrieval and of repair find, as types; light, so that wrong input is told at once.

Rates are in per cent with 95 % intervals (Wilson 1927).
"""

from dataclasses import asdict

from pydantic import field_serializer, model_serializer

from orchestrator.policy.decisions import Record
from retrieval.bench import Speed


class OfDataset(Record):
    """What was measured, first in every report."""

    dataset: str


class FileRates(Record):
    """`all_gold_at`: of n instances, those with every gold file among the first k."""

    n: int
    all_gold_at: dict[str, float | None]
    ci95: dict[str, list[float]]


class AnyRates(Record):
    """`any_gold_at`: of n instances, those with something that their patch changes among the first k."""

    n: int
    any_gold_at: dict[str, float | None]
    ci95: dict[str, list[float]]


class Ranks(Record):
    """Of an instance's last gold file, first gold function and first test file, from 1; None if not there."""

    file: int | None
    function: int | None
    test_file: int | None


class Localized(FileRates):
    """The rates of all, by repository, without each signal, of functions where a patch
    changes any, and of the test files nearest to it where a test patch does.

    Times are medians.
    """

    index_s: float
    query_ms: float
    functions: AnyRates
    tests: AnyRates
    repositories: dict[str, FileRates]
    without: dict[str, FileRates]
    ranks: dict[str, Ranks]


class Gain(Record):
    """In points, how many more instances have all gold files among the first k when widened.

    `ci95`: bootstrap over instances. `p`: McNemar, exact, of those within k in one search only.
    """

    gain: float
    ci95: list[float] | None
    only_first: int
    only_second: int
    p: float


class Gains(Record):
    """The gain at each cutoff over n instances; in JSON the cutoffs stand beside n."""

    n: int
    at: dict[int, Gain]

    @model_serializer
    def _beside(self) -> dict[str, int | Gain]:
        return {"n": self.n, **{str(k): gain for k, gain in self.at.items()}}


class RetrievalReport(Localized, OfDataset):
    """What `bench retrieval` finds; `peak_mb` is the most memory that this process had, in MiB."""

    peak_mb: int
    widened: Gains | None
    speed: list[Speed]
    left_out: dict[str, str]

    @field_serializer("speed")
    def _with_ratios(self, speed: list[Speed]) -> list[dict[str, object]]:
        return [asdict(each) | {"ratios": rounded_ratios(each)} for each in speed]


def rounded_ratios(speed: Speed) -> dict[str, float]:
    """The ratios of a repository, above 1 where ours is faster, to a tenth."""
    return {name: round(ratio, 1) for name, ratio in speed.ratios.items()}


class Rate(Record):
    """Hits of n; without any observation, nulls."""

    hits: int
    n: int
    percent: float | None
    ci95: list[float] | None


class OneLine(Record):
    """Of the patches that change one line for one; `gold_edit_at` is by cutoff."""

    n: int
    place_found: Rate
    gold_edit_proposed: Rate
    gold_edit_at: dict[str, Rate]


class RankedInstance(Record):
    """An instance's ranks, from 1, and the kind of the edit that its gold patch makes."""

    instance_id: str
    one_line: bool
    place_rank: int | None
    edit_rank: int | None
    kind: str | None


class Repaired(Record):
    """`first_edit`: whether the first edit is in a gold file, function and line; `seconds` a task, median."""

    n: int
    file_found: Rate
    place_found: Rate
    first_edit: dict[str, Rate]
    one_line: OneLine
    seconds: float
    instances: list[RankedInstance]


class _OfModel(OfDataset):
    model: str


class RepairReport(Repaired, _OfModel):
    """What `bench repair` finds."""

    left_out: dict[str, str]
