"""The policy steers zero-shot prompts only, or where a certificate says so, and always says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.decisions import DOMAINS, Code, Evidence, Facts, PromptContents
from orchestrator.policy.policy import Certified
from orchestrator.policy.variants import VARIANTS, policy_for

prompts = st.builds(
    PromptContents,
    domain=st.sampled_from(DOMAINS),
    model=st.just("m"),
    examples=st.integers(0, 5),
    retrieved_tokens=st.integers(0, 4000),
)


@given(prompts)
def test_adaptive_steers_exactly_the_prompts_without_examples_and_without_retrieved_code(prompt):
    decision = policy_for("adaptive", dict).decide(prompt)
    assert decision.applied == (prompt.examples == 0 and prompt.retrieved_tokens == 0)
    assert decision.vector in (None, prompt.domain)
    holds = {
        (False, False): Code.ZERO_SHOT,
        (True, False): Code.EXAMPLES,
        (False, True): Code.CONTEXT,
        (True, True): Code.EXAMPLES_AND_CONTEXT,
    }
    assert decision.code == holds[prompt.examples > 0, prompt.retrieved_tokens > 0]


@given(prompts)
def test_the_other_variants_do_not_look_at_what_the_prompt_holds(prompt):
    assert policy_for("baseline", dict).decide(prompt).vector is None
    assert policy_for("baseline", dict).decide(prompt).code == Code.BASELINE
    assert {policy_for(name, dict).decide(prompt).code for name in ("static", "dynamic")} == {Code.ALWAYS}
    assert policy_for("static", dict).decide(prompt).vector == "code_reading"
    assert policy_for("dynamic", dict).decide(prompt).vector == prompt.domain


@pytest.mark.parametrize("variant", VARIANTS)
@given(prompt=prompts)
def test_every_decision_has_a_reason(variant, prompt):
    assert policy_for(variant, dict).decide(prompt).reason


def test_the_reason_for_switching_off_counts_what_was_found():
    reason = policy_for("adaptive", dict).decide(PromptContents("bug_analysis", "m", 2, 950)).reason
    assert "2 worked examples" in reason
    assert "950 tokens of retrieved code" in reason


FACTS = Facts(
    regime="zero-shot",
    metric="likelihood",
    n=200,
    effect=0.31,
    interval=(0.28, 0.34),
    p_adjusted=0.01,
    vector_sha256="a" * 64,
)


@given(
    prompts, st.sets(st.tuples(st.sampled_from(DOMAINS), st.sampled_from(["zero-shot", "few-shot", "rag"])))
)
def test_evidence_steers_exactly_where_there_is_a_certificate_with_the_layer_and_alpha_certified(
    prompt, certified
):
    where = {key: Evidence(index, 0.5 + index, FACTS) for index, key in enumerate(sorted(certified))}
    decision = Certified(where).decide(prompt)
    assert decision.applied == ((prompt.domain, prompt.regime) in certified)
    if decision.applied:
        assert decision.vector == prompt.domain
        assert decision.evidence == where[prompt.domain, prompt.regime]
        assert decision.code == Code.CERTIFIED
    else:
        assert decision.evidence is None
        assert decision.code == Code.NOT_CERTIFIED
        assert "no certificate" in decision.reason


@given(prompts)
def test_a_prompt_is_of_one_regime_or_of_none(prompt):
    expected = {
        (False, False): "zero-shot",
        (True, False): "few-shot",
        (False, True): "rag",
        (True, True): None,
    }[prompt.examples > 0, prompt.retrieved_tokens > 0]
    assert prompt.regime == expected


def test_the_reason_of_a_certified_decision_shows_the_effect_its_interval_and_n():
    policy = Certified({("code_reading", "zero-shot"): Evidence(16, 9.0, FACTS)})
    reason = policy.decide(PromptContents("code_reading", "m", 0, 0)).reason
    for shown in ("likelihood", "+0.31", "+0.28 to +0.34", "n = 200", "zero-shot"):
        assert shown in reason
