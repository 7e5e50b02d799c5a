"""Of several metrics the one nearest to the task decides whether a regime is steered, and where."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.evidence import METRICS, evidence
from vectors.calibration.certificates import Certificate
from vectors.statistics.estimates import Estimate


def certificate(metric, certified, regime="rag"):
    """Layer and α tell certificates apart."""
    return Certificate(
        domain="patch_writing",
        vector_sha256="a" * 64,
        model_id="m",
        model_digest="b" * 64,
        dtype="float32",
        regime=regime,
        metric=metric,
        layer=len(metric),
        alpha=0.5 + len(metric),
        relative_alpha=0.1,
        effect=Estimate(0.2, 0.1, 0.3, 200),
        situations=8,
        p=0.001,
        p_adjusted=0.01,
        controls=(),
        degeneration=None,
        certified=certified,
        reason="made up",
        tried=(),
        texts_sha256="c" * 64,
        seed=0,
        versions={},
    )


@given(st.dictionaries(st.sampled_from([*METRICS, "degeneration"]), st.booleans()))
def test_the_nearest_metric_that_was_measured_decides_also_when_it_found_nothing(verdicts):
    found = evidence(certificate(metric, certified) for metric, certified in verdicts.items())
    nearest = next((metric for metric in METRICS if metric in verdicts), None)
    if nearest is None or not verdicts[nearest]:
        assert found == {}
    else:
        assert found.keys() == {("patch_writing", "rag")}
        assert found["patch_writing", "rag"].layer == len(nearest)


def test_a_second_proposal_that_was_certified_counts_where_the_first_was_given_up():
    first, second = certificate("likelihood", certified=False), certificate("likelihood", certified=True)
    assert evidence([first, second]).keys() == {("patch_writing", "rag")}


def test_regimes_are_decided_apart():
    found = evidence([certificate("gold", certified=False), certificate("likelihood", True, "zero-shot")])
    assert found.keys() == {("patch_writing", "zero-shot")}
