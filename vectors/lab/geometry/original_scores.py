"""The original's scores of a tokenizer, as it computes them, from its own seven texts.

They are kept to be compared with, and for nothing else: a score of 1 means five characters a token in times,
six in JSON and a token a word in four sentences, and a weighted sum of such things has no unit.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from vectors.lab.geometry.tokenizers import Cutter

_TEXTS = Path(__file__).parent / "original_prompts.json"


@dataclass(frozen=True)
class Scores:
    """From 0 to 1, more being better."""

    overall: float
    temporal: float
    semantic: float
    json: float
    parity: float


PUBLISHED = {
    "llama-3": (0.551, 0.316, 0.375, 0.816),
    "gemma-3": (0.511, 0.226, 0.288, 0.845),
    "qwen3": (0.483, 0.205, 0.288, 0.802),
}
"""overall, temporal, json and parity as the original printed them, with the tokenizers of Llama-3.2-3B,
Gemma-3-1B and Qwen3-4B, which cut text as ours do. Its fourth, Phi-3's, is not among ours."""


def original_scores(cutter: Cutter) -> Scores:
    """Score a tokenizer (Edmond, steering-research, phase 1).

    temporal = clip((c − 1)/4) with c the characters a token over two texts of times; semantic =
    clip(1 − (w − 1)/2) with w the mean tokens a word of four sentences; json = clip((c − 1)/5) over one tool
    call; parity = the mean of fewer/more tokens over two pairs of French and English; overall = .3 temporal +
    .3 semantic + .2 json + .2 parity.
    """
    texts = json.loads(_TEXTS.read_text("utf-8"))
    pairs: list[list[str]] = texts["pairs"]
    temporal = _clip((_characters_a_token(cutter, texts["temporal"]) - 1) / 4)
    words = fmean(cutter.count(text) / len(text.split()) for pair in pairs for text in pair)
    semantic = _clip(1 - (words - 1) / 2)
    in_json = _clip((_characters_a_token(cutter, [texts["json"]]) - 1) / 5)
    counts = [sorted(map(cutter.count, pair)) for pair in pairs]
    parity = fmean(fewer / more for fewer, more in counts)
    overall = 0.3 * temporal + 0.3 * semantic + 0.2 * in_json + 0.2 * parity
    return Scores(overall, temporal, semantic, in_json, parity)


def _characters_a_token(cutter: Cutter, texts: list[str]) -> float:
    return sum(map(len, texts)) / sum(map(cutter.count, texts))


def _clip(score: float) -> float:
    return min(1.0, max(0.0, score))
