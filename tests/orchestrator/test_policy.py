"""The policy steers zero-shot prompts only, and always says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy import DOMAINS, VARIANTS, PromptContents, policy_for

prompts = st.builds(
    PromptContents,
    domain=st.sampled_from(DOMAINS),
    model=st.just("m"),
    examples=st.integers(0, 5),
    retrieved_tokens=st.integers(0, 4000),
)


@given(prompts)
def test_adaptive_steers_exactly_the_prompts_without_examples_and_without_retrieved_code(prompt):
    decision = policy_for("adaptive").decide(prompt)
    assert decision.applied == (prompt.examples == 0 and prompt.retrieved_tokens == 0)
    assert decision.vector in (None, prompt.domain)


@given(prompts)
def test_the_other_variants_do_not_look_at_what_the_prompt_holds(prompt):
    assert policy_for("baseline").decide(prompt).vector is None
    assert policy_for("static").decide(prompt).vector == "code_reading"
    assert policy_for("dynamic").decide(prompt).vector == prompt.domain


@pytest.mark.parametrize("variant", VARIANTS)
@given(prompt=prompts)
def test_every_decision_has_a_reason(variant, prompt):
    assert policy_for(variant).decide(prompt).reason


def test_the_reason_for_switching_off_counts_what_was_found():
    reason = policy_for("adaptive").decide(PromptContents("bug_analysis", "m", 2, 950)).reason
    assert "2 worked examples" in reason
    assert "950 tokens of retrieved code" in reason
