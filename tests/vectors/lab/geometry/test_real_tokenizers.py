"""The tokenizers pinned by hash: the original's scores to the last printed digit."""

from dataclasses import astuple

import pytest

from tests.vectors.lab.geometry.cutters import real
from vectors.lab.geometry.cutting import counted
from vectors.lab.geometry.original_scores import PUBLISHED, original_scores
from vectors.lab.geometry.passages import own_corpora


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_original_s_scores_come_out_to_the_last_printed_digit(name):
    overall, temporal, _, in_json, parity = (
        round(score, 3) for score in astuple(original_scores(real(name)))
    )
    assert (overall, temporal, in_json, parity) == PUBLISHED[name]


def test_llama_3_groups_three_digits_and_tears_the_year_alone():
    counts = counted(real("llama-3"), own_corpora(), 50, 0)
    assert set(counts.groupings[7]) == {"3+3+1"}
    assert all([name for name, torn in stamp.items() if torn] == ["year"] for stamp in counts.torn)


def test_qwen_cuts_every_digit():
    counts = counted(real("qwen3"), own_corpora(), 50, 0)
    assert set(counts.groupings[4]) == {"1+1+1+1"}
    assert all(all(stamp.values()) for stamp in counts.torn)
