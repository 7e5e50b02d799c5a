from concurrent.futures import ThreadPoolExecutor

import gguf
import numpy as np
import pytest
import torch

from tests.vectors import folders, tiny
from vectors.engine.intake import end_of_sequence_ids
from vectors.errors import UnsupportedModel
from vectors.models import gguf_files
from vectors.models import loading as models
from vectors.progress import silent


def permuted(weight, heads):
    """llama.cpp's order of the rows of q and k: rotary pairs side by side."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(path, model, *, leave_out=(), also=lambda writer: None):
    """A GGUF file of a tiny Llama, written with llama.cpp's own library."""
    tokenizer = folders.transformers_tokenizer()
    config, writer = model.config, gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    tokens[0] = "12"  # would be used if digits did not stand alone
    kinds = [gguf.TokenType.CONTROL if i >= 256 else gguf.TokenType.NORMAL for i in range(len(tokens))]
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["1 2"])
    writer.add_bos_token_id(tiny.EOS)
    writer.add_eos_token_id(tiny.EOS)
    writer.add_unk_token_id(tiny.PAD)
    writer.add_pad_token_id(tiny.PAD)
    writer.add_chat_template(folders.CHATML)
    also(writer)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        if name.endswith("q_proj.weight"):
            values = permuted(values, config.num_attention_heads)
        if name.endswith("k_proj.weight"):
            values = permuted(values, config.num_key_value_heads)
        if name not in leave_out:
            writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
    assert loaded.encode("a12") == [*b"a12"]
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
    write_gguf(
        path, llama, leave_out=["model.layers.1.mlp.up_proj.weight"] if damage.startswith("la") else ()
    )
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
