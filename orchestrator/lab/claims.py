"""What the original research claims, and how an experiment's figures answer each claim.

A claim is answered only from `CLAIM_N` observations on, and only where the whole interval lies on one side.
The claims and figures are those of Shumatsurontek/steering-research (its README and paper).
"""

from typing import Literal

from orchestrator.policy.decisions import Record
from vectors.statistics.estimates import CLAIM_N, Estimate

Verdict = Literal["confirmed", "refuted", "undecided"]


class Claim(Record):
    """A claim, the original's figures for it, and the command that measures it."""

    says: str
    original: str
    command: str


CLAIMS = {
    "mid_depth_responds": Claim(
        says="Vectors change behaviour at mid-depth",
        original="layers 15 and 18 of 36 at α = 30: 100 % of outputs change, n = 6",
        command="lab sweep",
    ),
    "late_layers_are_rigid": Claim(
        says="Late layers are rigid",
        original="layers 33 and 35 of 36: 0 to 17 % change up to α = 200, n = 6",
        command="lab sweep",
    ),
    "steering_diversifies": Claim(
        says="Steering makes sampled answers more diverse",
        original="unique answers 20 % to 100 %, 5 samples",
        command="lab diversity",
    ),
    "addition_dilutes": Claim(
        says="Addition of vectors dilutes each of them",
        original="keyword score 4.0 alone to 2.0 added",
        command="lab compose",
    ),
    "switching_beats_baseline": Claim(
        says="A vector for each step brings more of the domain's words",
        original="4 to 7 times the keyword hits, 3 scenarios",
        command="lab demo",
    ),
    "zero_shot_gains": Claim(
        says="Steering helps zero-shot chain of thought",
        original="GSM8K 46 % to 62 %, n = 50",
        command="lab gsm8k",
    ),
    "few_shot_interferes": Claim(
        says="Few-shot examples interfere with steering",
        original="GSM8K 5-shot 48 % to 40 %, n = 50",
        command="lab gsm8k",
    ),
    "steering_harms_knowledge": Claim(
        says="Steering lowers accuracy on knowledge",
        original="MMLU-Pro −2 to −6 points in every domain, n = 200 a domain",
        command="lab mmlu-pro",
    ),
    "small_samples_mislead": Claim(
        says="Gains at n = 20 turn into losses at n = 200",
        original="history +15 points at n = 20, every gain reversed at n = 200",
        command="lab mmlu-pro",
    ),
    "prompts_beat_steering": Claim(
        says="Examples in the prompt do more than a vector",
        original="asked, not measured: five prompt strategies, 29 cases",
        command="lab prompts",
    ),
    "time_stamps_are_torn": Claim(
        says="Every tokenizer tears time stamps apart",
        original="temporal scores .316, .226, .205, .173, all below .32",
        command="lab tokenizers",
    ),
    "budgets_change_nothing": Claim(
        says="Budget guidance does not shorten answers",
        original="74.6 tokens at every budget",
        command="lab budget",
    ),
    "geometry_is_invariant": Claim(
        says="The geometry of domains is the same in every model",
        original="Spearman's ρ .893, .936, .888 between three models, 91 cosines, nothing removed",
        command="lab geometry",
    ),
    "transfer_works": Claim(
        says="A vector works in another model",
        original="named as future work, not measured",
        command="lab transfer SOURCE TARGET --certify DOMAIN",
    ),
    "vectors_are_diffuse": Claim(
        says="Contrastive vectors are spread over many features",
        original="26 to 59 % of an autoencoder's features are active on a vector",
        command="lab sae analyse",
    ),
    "features_do_not_overlap": Claim(
        says="A vector's features are not those that its domain activates",
        original="0 to 4 of the 20 strongest are shared",
        command="lab sae analyse",
    ),
    "robust_to_sparsity": Claim(
        says="Diffuseness does not depend on the autoencoder's sparsity",
        original="the same at L1 0.005 and 0.05",
        command="lab sae analyse",
    ),
    "features_harm_less": Claim(
        says="Vectors of features harm less than contrastive ones",
        original="law 24 % against 22 % at α 3, 16 % against 18 % at α 10, n = 50",
        command="lab sae features",
    ),
    "output_score_harms_less": Claim(
        says="Features chosen by their output score harm less",
        original="least harm of all methods at α 10, n = 50",
        command="lab sae features",
    ),
    "context_interferes": Claim(
        says="Steering harms beside retrieved code",
        original="valid paths 68 % to 15 %, n = 20",
        command="lab context",
    ),
}


class Finding(Record):
    """What an experiment says to a claim: the verdict, the figure it rests on, and what that figure is."""

    claim: str
    verdict: Verdict
    estimate: Estimate
    measures: str


def finding(claim: str, estimate: Estimate, measures: str, *, beyond: float, above: bool) -> Finding:
    """Confirmed where the whole interval lies beyond a threshold, above it or below, refuted where all of it
    lies on the other side; undecided where it holds the threshold, and below CLAIM_N observations.
    """
    assert claim in CLAIMS
    low, high = (estimate.low, estimate.high) if above else (-estimate.high, -estimate.low)
    least = beyond if above else -beyond
    verdict: Verdict = "undecided"
    if estimate.n >= CLAIM_N and low > least:
        verdict = "confirmed"
    elif estimate.n >= CLAIM_N and high < least:
        verdict = "refuted"
    return Finding(claim=claim, verdict=verdict, estimate=estimate, measures=measures)
