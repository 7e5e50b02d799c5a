"""How a GGUF file scales rotary positions → transformers' `rope_parameters`.

A file has up to five parts of it: a base, how many dimensions of a head are turned, a kind of scaling with
its numbers, a factor on the attention, and tables of divisors as tensors. Llama 3's scaling is such a table
and no key at all.
"""

import math
from collections.abc import Sequence
from typing import Any

from vectors.errors import UnsupportedModel
from vectors.models.gguf_reading import Fields, GgufFile

TABLES = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""Tensors that belong to the rotary positions, and become part of the config."""

_BASE, _GEMMA3_LOCAL_BASE = 10_000.0, 10_000.0
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""The scaling of Llama 3.1 to 3.3, which differ in the factor alone."""


def rope_parameters(file: GgufFile, fields: Fields, *, partial: bool) -> Fields:
    """transformers' parameters for a file, given `fields` of its config. Raises UnsupportedModel."""

    def key(name: str, default: Any) -> Any:
        return file.keys.get(f"{file.architecture}.rope.{name}", default)

    head, turned = fields["head_dim"], key("dimension_count", fields["head_dim"])
    plain = {"rope_theta": key("freq_base", _BASE)}
    if turned != head:
        plain["partial_rotary_factor"] = turned / head
        if not partial or turned > head or turned % 2 or int(head * (turned / head)) != turned:
            raise UnsupportedModel(
                f"the GGUF file says {file.architecture}.rope.dimension_count = {turned}, expected {head}"
            )
    scaled = plain | _scaling(file, key, turned, fields["max_position_embeddings"], plain["rope_theta"])
    if file.architecture == "gemma3":  # blocks that attend through a window are scaled in no way
        local = key("freq_base_swa", _GEMMA3_LOCAL_BASE)
        return {"full_attention": scaled, "sliding_attention": {"rope_type": "default", "rope_theta": local}}
    return scaled


def _scaling(file: GgufFile, key: Any, turned: int, context: int, base: float) -> Fields:
    # llama.cpp: a kind that is not named is linear, and a factor of 0 is none.
    kind = key("scaling.type", "linear")
    factor = (key("scaling.factor", None) or key("scale_linear", None) or 1.0) if kind != "none" else 1.0
    attention, original = key("scaling.attn_factor", 1.0), key("scaling.original_context_length", context)
    tables = {name: _table(file, name, turned // 2) for name in TABLES if name in file.tensors}
    if kind == "yarn" and not tables:
        return {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original,
            "attention_factor": attention * (1 + 0.1 * math.log(factor) if factor > 1 else 1.0),
            "beta_fast": key("scaling.yarn_beta_fast", 32.0),
            "beta_slow": key("scaling.yarn_beta_slow", 1.0),
        }
    if kind not in ("none", "linear", "longrope"):
        with_tables = f" with {', '.join(tables)}" if tables else ""
        raise UnsupportedModel(
            f"the GGUF file says {file.architecture}.rope.scaling.type = {kind}{with_tables}, "
            "expected none, linear, longrope or yarn"
        )
    if "rope_freqs.weight" in tables and len(tables) == 1:
        table = tables["rope_freqs.weight"]
        if factor == attention == 1.0 and (found := _llama3(table, turned, base)):
            return found
        return _tables([each * factor for each in table], None, attention, context)
    if set(tables) == {*TABLES[1:]} and factor == 1.0:
        return _tables(tables[TABLES[2]], tables[TABLES[1]], attention, original)
    if tables or kind == "longrope":
        raise UnsupportedModel(
            f"the GGUF file scales rotary positions by {kind}, {factor} and the tensors "
            f"{', '.join(tables) or 'none'}, which do not go together"
        )
    if attention != 1.0:
        return _tables([factor] * (turned // 2), None, attention, context)
    return {"rope_type": "default"} if factor == 1.0 else {"rope_type": "linear", "factor": factor}


def _tables(short: Sequence[float], long: Sequence[float] | None, attention: float, original: int) -> Fields:
    """Divisors for each pair of dimensions: transformers' LongRoPE takes any."""
    return {
        "rope_type": "longrope",
        "short_factor": list(short),
        "long_factor": list(short if long is None else long),
        "attention_factor": attention,
        "original_max_position_embeddings": original,
    }


def _table(file: GgufFile, name: str, pairs: int) -> list[float]:
    table = [float(value) for value in file.values(name).ravel()]
    if len(table) != pairs or not all(math.isfinite(value) and value > 0 for value in table):
        raise UnsupportedModel(f"the GGUF file's {name} is not {pairs} positive numbers")
    return table


def _llama3(table: Sequence[float], turned: int, base: float) -> Fields | None:
    """The published scaling, if the table is what it makes: the model is then one that is built here."""
    factor = round(max(table), 3)
    low, high, original = _LLAMA3.values()
    for pair, divisor in enumerate(table):
        wavelength = 2 * math.pi * base ** (2 * pair / turned)
        smooth = min(max((original / wavelength - low) / (high - low), 0.0), 1.0)
        if not math.isclose(divisor, 1 / ((1 - smooth) / factor + smooth), rel_tol=1e-5):
            return None
    return {"rope_type": "llama3", "factor": factor, **_LLAMA3} if factor > 1 else None
