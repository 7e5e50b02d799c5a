from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors import tiny
from tests.vectors.models.gguf_writing import write_gguf
from vectors.engine.intake import end_of_sequence_ids
from vectors.errors import UnsupportedModel
from vectors.models import gguf_files
from vectors.models import loading as models
from vectors.models.gguf_config import config_of
from vectors.models.gguf_reading import GgufFile
from vectors.models.gguf_tokenizers import tokenizer_of
from vectors.progress import silent


@pytest.fixture(scope="module")
def llama():
    return tiny.tiny_model("llama")


def test_a_gguf_file_gives_the_same_logits_as_the_model_it_was_written_from(tmp_path, llama):
    write_gguf(tmp_path / "tiny.gguf", llama)
    loaded = models.load_model(str(tmp_path / "tiny.gguf"), cache=tmp_path / "cache", dtype=torch.float32)
    ids = torch.tensor([tiny.prompt(3, 20)])
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(input_ids=ids).logits, llama(input_ids=ids).logits)
    assert loaded.digest == gguf_files.sha256_of(tmp_path / "tiny.gguf")
    assert loaded.model_id == "tiny.gguf"
    assert loaded.encode("a12", begins=True) == [*b"a12"]
    assert loaded.tokenizer.eos_token_id == tiny.EOS


def test_a_file_that_names_the_end_of_a_text_and_of_a_turn_ends_at_either(tmp_path, llama):
    def also(writer):
        writer.add_eot_token_id(tiny.PAD)

    write_gguf(tmp_path / "tiny.gguf", llama, also=also)
    loaded = models.load_model(str(tmp_path / "tiny.gguf"), cache=tmp_path / "cache", dtype=torch.float32)
    assert end_of_sequence_ids(loaded.model, loaded.tokenizer) == {tiny.EOS, tiny.PAD}


def test_a_file_is_converted_once_however_many_ask_at_the_same_time(tmp_path, llama):
    write_gguf(tmp_path / "tiny.gguf", llama)
    converted = []

    def progress(label, done, total):
        if "weights" in label and done == total:
            converted.append(label)

    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(gguf_files.converted, tmp_path / "tiny.gguf", tmp_path / "models", progress)
            for _ in range(4)
        ]
        found = {future.result() for future in asked}
    assert len(found) == len(converted) == 1


@pytest.mark.parametrize("damage", ["truncated", "not gguf", "lacks a tensor"])
def test_a_file_that_cannot_be_converted_leaves_nothing_behind(tmp_path, llama, damage):
    path = tmp_path / "tiny.gguf"
    write_gguf(path, llama, leave_out=["blk.1.ffn_up.weight"] if damage.startswith("la") else ())
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:20_000])
    elif damage == "not gguf":
        path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(UnsupportedModel) as refused:
        gguf_files.converted(path, tmp_path / "models", silent)
    assert "\n" not in str(refused.value)
    assert [p for p in (tmp_path / "models").iterdir() if p.suffix != ".lock"] == []


def test_a_changed_file_is_converted_anew(tmp_path, llama):
    write_gguf(tmp_path / "tiny.gguf", llama)
    first = gguf_files.converted(tmp_path / "tiny.gguf", tmp_path / "models", silent)
    write_gguf(tmp_path / "tiny.gguf", tiny.tiny_model("llama", torch.float32))
    second = gguf_files.converted(tmp_path / "tiny.gguf", tmp_path / "models", silent)
    assert first != second


def refusal(tmp_path, model, **more):
    write_gguf(tmp_path / "tiny.gguf", model, **more)
    with pytest.raises(UnsupportedModel) as refused:
        gguf_files.converted(tmp_path / "tiny.gguf", tmp_path / "models", silent)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("llama.attention.clamp_kqv", 8.0),
        ("llama.rope.scaling.yarn_log_multiplier", 0.1),
        ("tokenizer.ggml.precompiled_charsmap", 1.0),
        ("adapter.lora.alpha", 16.0),
    ],
)
def test_a_key_that_is_not_understood_is_refused_by_its_name(tmp_path, llama, key, value):
    said = refusal(tmp_path, llama, also=lambda writer: writer.add_float32(key, value))
    assert f"{key} = {value}" in said


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("llama.expert_count", 8, "expected 0"),
        ("llama.attention.value_length", 8, "expected 16"),
        ("llama.rope.dimension_count", 8, "expected 16"),
        ("split.count", 3, "split.count = 3"),
    ],
)
def test_a_key_with_a_value_that_nothing_here_computes_is_refused(tmp_path, llama, key, value, expected):
    said = refusal(tmp_path, llama, also=lambda writer: writer.add_uint32(key, value))
    assert key in said
    assert expected in said


@pytest.mark.parametrize("kind", ["longrope", "su"])
def test_rotary_positions_that_are_scaled_in_an_unknown_way_are_refused(tmp_path, llama, kind):
    said = refusal(tmp_path, llama, also=lambda writer: writer.add_string("llama.rope.scaling.type", kind))
    assert kind in said


def test_keys_that_describe_the_file_change_nothing(tmp_path, llama):
    def also(writer):
        writer.add_author("someone")
        writer.add_string("quantize.imatrix.file", "a.dat")
        writer.add_string("tokenizer.chat_template.tool_use", "{{ messages }}")
        writer.add_uint32("split.count", 1)

    write_gguf(tmp_path / "tiny.gguf", llama, also=also)
    assert gguf_files.converted(tmp_path / "tiny.gguf", tmp_path / "models", silent).is_dir()


@pytest.mark.parametrize(
    "tensor", ["blk.0.attn_rot_embd.weight", "blk.0.ffn_gate_exps.weight", "blk.9.ffn_up.weight"]
)
def test_a_tensor_that_no_parameter_is_made_of_is_refused_by_its_name(tmp_path, llama, tensor):
    assert tensor in refusal(tmp_path, llama, tables={tensor: np.ones((4, 4))})


def test_an_architecture_that_is_not_in_the_table_is_refused_with_those_that_are(tmp_path, llama):
    said = refusal(tmp_path, llama, architecture="deci")
    assert "'deci'" in said
    assert "gemma3" in said


def test_a_missing_size_is_not_guessed(tmp_path, llama):
    class Bare(gguf.GGUFWriter):
        def add_layer_norm_rms_eps(self, value):
            pass

    assert "llama.attention.layer_norm_rms_epsilon" in refusal(tmp_path, llama, writer_class=Bare)


@pytest.mark.parametrize("count", [2**63, 2**40, 100_000])
def test_a_count_beyond_the_file_is_refused_before_anything_is_made_of_it(tmp_path, llama, count):
    write_gguf(tmp_path / "tiny.gguf", llama)
    data = bytearray((tmp_path / "tiny.gguf").read_bytes())
    at = data.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens") + 8
    data[at : at + 8] = count.to_bytes(8, "little")
    (tmp_path / "tiny.gguf").write_bytes(data)
    with pytest.raises(UnsupportedModel, match="damaged"):
        gguf_files.converted(tmp_path / "tiny.gguf", tmp_path / "models", silent)


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_bytes_changed_anywhere_in_the_header_never_end_in_a_traceback(damaged, at, junk):
    path, data = damaged
    path.write_bytes(data[:at] + junk + data[at + len(junk) :])
    with suppress(UnsupportedModel):
        file = GgufFile.open(path)
        config_of(file)
        tokenizer_of(file)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory, llama):
    path = tmp_path_factory.mktemp("damaged") / "tiny.gguf"
    write_gguf(path, llama)
    return path, path.read_bytes()


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16", "BF16"])
def test_values_are_those_that_the_kind_of_quantisation_defines(tmp_path, kind):
    quantised = gguf.GGMLQuantizationType[kind]
    values = np.random.default_rng(3).standard_normal((300, 8192 // 8), dtype=np.float32)
    data = gguf.quants.quantize(values, quantised)
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("a", data, raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = GgufFile.open(tmp_path / "one.gguf").values("a")
    if kind == "BF16":
        found = (found.astype(np.uint32) << 16).view(np.float32)
    assert np.array_equal(found.astype(np.float32), gguf.dequantize(data, quantised))


@pytest.mark.parametrize(("says", "begins"), [(True, [tiny.EOS]), (False, []), (None, [])])
def test_a_text_that_begins_a_sequence_has_the_token_that_the_file_asks_for(tmp_path, llama, says, begins):
    def also(writer):
        if says is not None:
            writer.add_add_bos_token(says)

    write_gguf(tmp_path / "tiny.gguf", llama, also=also)
    loaded = models.load_model(str(tmp_path / "tiny.gguf"), cache=tmp_path / "cache", dtype=torch.float32)
    assert loaded.encode("ab", begins=True) == [*begins, *b"ab"]
    assert loaded.encode("ab", begins=False) == [*b"ab"]
    assert loaded.count_tokens("ab") == 2
