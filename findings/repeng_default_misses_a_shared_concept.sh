#!/usr/bin/env bash
# repeng 0.4.0: the default method of ControlVector.train, `pca_diff`, on pairs that all share one difference.
#
# Seen: `pca_diff` is the first principal component of the differences positive − negative, and principal
# components are taken about the mean. What all pairs have in common, which is the concept, is that mean, so it is
# subtracted; what is left is the direction in which the pairs differ from one another. With a concept of length 4
# in every pair and one loud unrelated direction that changes its sign from pair to pair, the direction found has
# a cosine near 0 with the concept. `pca_center`, and the plain mean of the differences, have one near 1.
# A vector that comes from repeng's default may therefore hold little of the concept its pairs were written for.
#
# The residual streams are made here with a known concept in them and handed over by the library's own
# `transform_hiddens`, so that the right answer is known. Needs Python 3.10-3.12 (numpy below 2). Exit 1 where the
# behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==4.57.6 repeng==0.4.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from repeng import DatasetEntry
from repeng.extract import read_representations
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

words = {word: number for number, word in enumerate(["<pad>", "good", "bad", *map(str, range(40))])}
tokens = Tokenizer(models.WordLevel(words, "<pad>"))
tokens.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="<pad>")
size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **size)).eval()
pairs = [DatasetEntry(f"good {number}", f"bad {number}") for number in range(40)]

pick = np.random.default_rng(0)
concept, loud = np.linalg.qr(pick.normal(size=(32, 2)))[0].T
common = pick.normal(size=(40, 32))
swing = 3 * pick.choice([-1, 1], size=(40, 1)) * loud
states = np.empty((80, 32), np.float32)
states[::2] = common + 2 * concept + swing / 2 + 0.1 * pick.normal(size=(40, 32))
states[1::2] = common - 2 * concept - swing / 2 + 0.1 * pick.normal(size=(40, 32))


def cosine(method):
    """Between the direction that is found and the concept."""
    found = read_representations(
        model, tokenizer, pairs, [1], method=method, transform_hiddens=lambda hiddens: {1: states.copy()}
    )[1]
    return float(abs(found @ concept) / np.linalg.norm(found))


mean = (states[::2] - states[1::2]).mean(axis=0)
seen = {
    "pca_diff (default)": cosine("pca_diff"),
    "pca_center": cosine("pca_center"),
    "mean of the differences": float(abs(mean @ concept) / np.linalg.norm(mean)),
}
print("repeng", version("repeng"))
for name, value in seen.items():
    print(f"{name:24} |cosine to the concept| = {value:.2f}")
assert seen["pca_diff (default)"] < 0.3, "changed"
assert seen["pca_center"] > 0.95 and seen["mean of the differences"] > 0.95
PYTHON
