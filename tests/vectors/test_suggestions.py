"""Guesses are names that there are, and only near ones."""

from vectors.suggestions import did_you_mean


def test_near_names_are_named_and_others_are_not():
    assert did_you_mean("alpah", ["alpha", "beta"]) == "; did you mean alpha?"
    assert did_you_mean("ALPHA", ["alpha"]) == "; did you mean alpha?"
    assert did_you_mean("gamma", ["alpha", "zeta"]) == ""
    assert did_you_mean("", []) == ""
