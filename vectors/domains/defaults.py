"""Where and how strongly a domain steers before anything was calibrated, on any model.

Layers are given as relative depth, and strength where it cannot be measured (`vectors.measuring.dosing`) as
a share of the residual's spread, because neither layer numbers nor absolute α carry over: mid-depth vectors'
norms differ sixtyfold between model families.
"""

SHARE = 0.1
"""α as a share of the residual's spread at its layer: about the dose of a domain's vector in SmolLM2-135M and
in Gemma-3-270M (docs/vectors.md).
"""

_QWEN3_BLOCKS = 28
# Best layers of a sweep on Qwen3-0.6B (Edmond, steering-research), so that this very model gets them back.
# For dev_tooling the sweep chose 25, in the last tenth, where steering hardly moves the output any more
# (at most 0.01 bit at α = 60, same source) and many layers win by chance; it is treated as the other
# clusters are.
_BEST_LAYER = {
    "code_reading": 15,
    "bug_analysis": 18,
    "patch_writing": 15,
    "test_reasoning": 18,
    "django_web": 18,
    "scientific_computing": 18,
    "dev_tooling": 18,
}
_OTHER_DOMAINS = 15


def layer_for(domain: str, n_layers: int) -> int:
    """The block whose output a domain steers: the same share of the way from the first block to the last."""
    depth = _BEST_LAYER.get(domain, _OTHER_DOMAINS) / (_QWEN3_BLOCKS - 1)
    return round(depth * (n_layers - 1))
