"""The report as a document, by its types: what report.json holds and the other forms are made from."""

from typing import TypedDict

from vectors.statistics.documents import Average, Share


class StageShare(Share):
    """A stage of the funnel: what passing it means, how many tasks it lost, the share that passed."""

    stage: str
    means: str
    lost: int


class StageMeans(TypedDict):
    """Means of an instance that came to a stage, over all its attempts."""

    stage: str
    seconds: Average
    prompt_tokens: Average
    new_tokens: Average


class DecisionCount(TypedDict):
    """How many prompts of a node were decided so, by the code of the reason."""

    node: str
    steered: bool
    code: str
    prompts: int


class Published(TypedDict):
    """The original's own figures of a variant, shares from 0 to 1."""

    model: str
    n: int
    valid: float
    paths: float
    quality: float


class OriginalCounting(TypedDict):
    """A run counted the original's way."""

    published: Published | None
    valid: Share
    paths: Average
    quality: Average


class InstanceRow(TypedDict):
    """What is measured of one instance: the fields of `measures.Measured`, of which these are read again."""

    problem: str
    applies: bool
    resolved: bool | None


class RunReport(TypedDict):
    """One run, beside the fields of the official harness, of which `uncertified_ids` is read again."""

    variant: str
    rag: bool
    model: str
    rates: dict[str, Share]
    retrieval: dict[str, Share]
    repositories: dict[str, dict[str, Share]]
    funnel: list[StageShare]
    stages: list[StageMeans]
    policy: list[DecisionCount]
    original: OriginalCounting
    failures: dict[str, str]
    instances: dict[str, InstanceRow]
    uncertified_ids: list[str]


class PairedRate(TypedDict):
    """McNemar's test of one rate; `p_holm` is adjusted for all tests of the report."""

    n: int
    only_first: int
    only_second: int
    p: float
    p_holm: float


class PairedMean(TypedDict):
    """The mean of the differences of pairs, second − first."""

    n: int
    difference: float | None
    ci95: list[float] | None


class Comparison(TypedDict):
    """Two runs on the instances that both have."""

    first: str
    second: str
    rates: dict[str, PairedRate]
    means: dict[str, PairedMean]


class OriginalVariant(TypedDict):
    """A variant of the original, and the runs of ours that are of it."""

    variant: str
    rag: bool
    published: Published | None
    runs: list[str]


class DatasetName(TypedDict):
    """The data set whose gold patches the report measures against."""

    name: str
    sha256: str


class Report(TypedDict):
    """The whole report, beside the official harness's fields on the first run."""

    of_run: str
    report_version: int
    dataset: DatasetName
    made_with_other_rows: list[str]
    not_measured: dict[str, str]
    runs: dict[str, RunReport]
    comparisons: list[Comparison]
    original_variants: list[OriginalVariant]
    manifests: dict[str, dict[str, object]]
