import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from tests.vectors import folders, tiny
from vectors.engine.intake import end_of_sequence_ids
from vectors.errors import ModelUnavailable, UnsupportedModel
from vectors.models import checkpoints
from vectors.models import loading as models


def load(folder: Path, **options):
    return models.load_model(str(folder), cache=folder / "unused", **options)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_model_of_each_family_loads_from_its_folder_with_the_same_logits(tmp_path, family):
    saved = folders.save(tmp_path / "m", family)
    loaded = load(tmp_path / "m", dtype=torch.float32)
    ids = torch.tensor([tiny.prompt(3, 20)])
    with torch.no_grad():
        assert torch.equal(loaded.model(input_ids=ids).logits, saved(input_ids=ids).logits)
    assert (loaded.n_layers, loaded.d_model, loaded.context_length) == (tiny.LAYERS, tiny.WIDTH, tiny.CONTEXT)
    assert (loaded.name, loaded.model_id, loaded.revision) == (str(tmp_path / "m"), "m", "local")
    assert not loaded.model.training


def test_a_model_is_loaded_in_the_dtype_asked_for_or_in_this_machines_default(tmp_path):
    folders.save(tmp_path)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert load(tmp_path, dtype=torch.bfloat16).dtype == torch.bfloat16
    default = load(tmp_path)
    assert default.dtype == models.default_dtype(device) == next(default.model.parameters()).dtype


def test_an_unknown_name_is_refused_in_one_line_that_names_what_was_tried(tmp_path):
    with pytest.raises(ModelUnavailable) as refused:
        models.load_model("smollm3-135m", cache=tmp_path)
    message = str(refused.value)
    assert isinstance(refused.value, LookupError)
    assert "\n" not in message
    for tried in ("'smollm3-135m'", "alias", "smollm2-135m", "folder", ".gguf", "hub id"):
        assert tried in message


@pytest.mark.parametrize("method", ["awq", "gptq", "bitsandbytes", "fp8", "mxfp4", None])
def test_weights_that_others_have_quantised_are_refused_in_a_line_before_they_are_read(tmp_path, method):
    folders.save(tmp_path, "qwen3")
    written = json.loads((tmp_path / "config.json").read_text())
    written["quantization_config"] = {"quant_method": method, "bits": 4} if method else {"bits": 4}
    (tmp_path / "config.json").write_text(json.dumps(written))
    with pytest.raises(UnsupportedModel) as refused:
        load(tmp_path)
    assert (repr(method) if method else "not named") in str(refused.value)
    assert "GGUF" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "--help", "owner/na me", ""])
def test_a_name_that_is_no_hub_id_never_reaches_the_hub(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models.hub, "fetch", lambda *_: pytest.fail("asked the hub"))
    with pytest.raises(ModelUnavailable):
        models.pull(name or "./", cache=tmp_path)


def test_a_hub_model_that_cannot_be_had_is_refused_at_once_naming_the_places(tmp_path):
    script = (
        "import sys; from pathlib import Path; from vectors.models.loading import load_model; "
        "from vectors.errors import ModelUnavailable\n"
        "try: load_model('qwen3-0.6b', cache=Path(sys.argv[1]))\n"
        "except ModelUnavailable as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub-home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert "Qwen/Qwen3-0.6B" in line
    assert str(tmp_path / "hub-home") in line
    assert "model folder" in line


def test_a_generation_ends_at_what_config_generation_config_tokenizer_and_template_name(tmp_path):
    folders.save(tmp_path)
    tokenizer = folders.transformers_tokenizer(folders.CHATML)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.save_pretrained(tmp_path)
    for name, ends in (("config.json", 7), ("generation_config.json", [8, 9])):
        path = tmp_path / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": ends}))
    loaded = load(tmp_path, dtype=torch.float32)
    turn = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end_of_sequence_ids(loaded.model, loaded.tokenizer) == {7, 8, 9, tiny.EOS, turn}


def test_what_is_done_in_place_of_a_chat_template_is_said_once(tmp_path, caplog):
    folders.save(tmp_path / "base")
    folders.save(tmp_path / "chat", template=folders.CHATML)
    base = load(tmp_path / "base")
    base.chat_ids([{"role": "user", "content": "hi"}])
    load(tmp_path / "chat")
    assert [record.message for record in caplog.records] == [
        "base has no chat template, as base models have none: it is asked in paragraphs headed ### User and "
        "### Assistant"
    ]


def test_an_incomplete_folder_is_refused_naming_what_is_missing(tmp_path):
    folders.save(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json missing"):
        load(tmp_path)


def test_weights_as_pickle_are_not_even_looked_at(tmp_path):
    model = folders.save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors missing"):
        load(tmp_path)


def test_a_sharded_folder_loads_and_a_lost_shard_is_named(tmp_path):
    saved = folders.save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    saved.save_pretrained(tmp_path, max_shard_size="100KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert torch.equal(load(tmp_path, dtype=torch.float32).model.lm_head.weight, saved.lm_head.weight)
    shards[0].unlink()
    with pytest.raises(ModelUnavailable, match=shards[0].name):
        load(tmp_path)


def test_damaged_weights_are_refused_in_one_line(tmp_path):
    folders.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UnsupportedModel) as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_model_that_generates_nothing_is_refused(tmp_path):
    folders.save(tmp_path)
    config = BertConfig(vocab_size=258, hidden_size=16, num_hidden_layers=1, num_attention_heads=1)
    config.architectures = ["BertModel"]
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel, match="BertModel"):
        load(tmp_path)


def test_the_digest_follows_the_content_and_not_the_place(tmp_path):
    folders.save(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert checkpoints.digest_of(tmp_path / "a") == checkpoints.digest_of(tmp_path / "b")


@pytest.mark.parametrize("name", ["lm_head.weight", "model.layers.2.mlp.up_proj.weight"])
def test_the_digest_tells_another_training_run_apart(tmp_path, name):
    folders.save(tmp_path)
    before = checkpoints.digest_of(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(weights | {name: weights[name] * 1.01}, tmp_path / "model.safetensors", {"format": "pt"})
    assert checkpoints.digest_of(tmp_path) != before


def test_the_list_holds_every_alias_and_finds_the_embedded_model_in_a_cache(tmp_path):
    assert {row.alias: row.model_id for row in models.list_models(tmp_path)} == models.ALIASES
    assert models.list_models(tmp_path)[0].found == ""
    models.PACKAGED[models.EMBEDDED].folder_in(tmp_path).mkdir(parents=True)
    assert models.list_models(tmp_path)[0].found == "cache"


def test_pulling_a_folder_returns_it_without_loading_it(tmp_path):
    folders.save(tmp_path)
    assert models.pull(str(tmp_path), cache=tmp_path) == tmp_path
