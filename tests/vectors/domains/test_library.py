import json
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.vectors import folders
from vectors.domains import library as library_module
from vectors.domains.library import VectorLibrary
from vectors.domains.prompt_sets import PromptSetError, load_prompt_set
from vectors.errors import VectorFileError
from vectors.models.loading import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny llama"
    folders.save(folder, "llama", folders.CHATML)
    return folder


@pytest.fixture(scope="module")
def lm(folder):
    return load_model(str(folder), cache=folder, dtype=torch.float32)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("models") / "qwen", "qwen3", folders.CHATML)


@pytest.fixture
def library(tmp_path):
    return VectorLibrary(tmp_path / "vectors")


@pytest.fixture
def extractions(monkeypatch):
    """Counts the real extractions."""
    made, extract = [], library_module.extract
    monkeypatch.setattr(
        library_module, "extract", lambda lm, s, **kw: (made.append(s.domain), extract(lm, s, **kw))[1]
    )
    return made


def rewrite(path, change_metadata=None, change_tensors=None):
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(load_file(path) | (change_tensors or {}), path, metadata | (change_metadata or {}))


def test_a_vector_is_extracted_on_first_use_and_then_read(library, lm, extractions):
    steps = []
    first = library.get(lm, "code_reading", lambda *step: steps.append(step))
    again = library.get(lm, "code_reading")
    assert extractions == ["code_reading"]
    assert steps
    assert torch.equal(first.directions, again.directions)
    assert torch.equal(first.residual_norms, again.residual_norms)
    assert first.sha256 == again.sha256
    assert torch.equal(first.spreads, again.spreads)
    assert first.file == again.file == library.path(lm, "code_reading")
    assert vars(again.intervention()) | {"vector": 0} == vars(first.intervention()) | {"vector": 0}
    assert first.metadata.items() <= again.metadata.items()


def test_many_who_ask_at_once_get_one_extraction(library, lm, extractions):
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: library.get(lm, "bug_analysis").sha256, range(6)))
    assert len(set(found)) == len(extractions) == 1


def test_the_file_is_of_the_documented_form(library, lm):
    library.get(lm, "code_reading")
    path = library.path(lm, "code_reading")
    tensors = load_file(path)
    assert set(tensors) == {f"layer.{i}" for i in range(lm.n_layers)}
    assert all(t.shape == (lm.d_model,) and t.dtype == torch.float32 for t in tensors.values())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format_version"] == "2"
    assert metadata["site"] == "resid_post"
    assert metadata["method"] == "mean_difference"
    assert metadata["model_digest"] == lm.digest
    assert len(json.loads(metadata["residual_norms"])) == len(json.loads(metadata["spreads"])) == lm.n_layers
    assert "default_alpha" not in metadata, "its strength is measured, and kept beside it"
    for name in ("model_id", "model_revision", "tokenizer_sha256", "thinking", "token", "alpha"):
        assert metadata[name]
    for name in ("prompt_set_sha256", "default_layer", "dtype"):
        assert metadata[name]


def test_a_vector_of_another_model_is_refused_naming_both(library, lm, other):
    path = library.save(library.get(other, "code_reading"), other)
    with pytest.raises(VectorFileError) as refused:
        library.load(path, lm)
    for name in (lm.model_id, other.model_id, lm.digest[:12], other.digest[:12]):
        assert name in str(refused.value)


@pytest.mark.parametrize("damage", ["truncated", "pickle", "empty", "not finite"])
def test_a_damaged_file_is_replaced_with_a_warning(library, lm, extractions, caplog, damage):
    good = library.get(lm, "code_reading")
    path = library.path(lm, "code_reading")
    if damage == "not finite":
        rewrite(path, change_tensors={"layer.1": torch.full((lm.d_model,), float("nan"))})
    else:
        junk = {"truncated": path.read_bytes()[:-10], "pickle": pickle.dumps([1]), "empty": b""}
        path.write_bytes(junk[damage])
    with caplog.at_level(logging.WARNING):
        again = library.get(lm, "code_reading")
    assert torch.equal(again.directions, good.directions)
    assert len(extractions) == 2
    assert "extracting code_reading again" in caplog.text
    assert library.load(path, lm).sha256 == good.sha256


@pytest.mark.parametrize(
    ("metadata", "tensors", "complaint"),
    [
        ({"format_version": "99"}, {}, "not a vector file of format 2"),
        ({"default_layer": "4"}, {}, "out of range"),
        ({"default_layer": "first"}, {}, "unreadable"),
        ({"default_alpha": "nan"}, {}, "not finite"),
        ({"format_version": "1"}, {}, "make it anew"),
        ({"residual_norms": "[1.0]"}, {}, "out of range"),
        ({"spreads": "[1.0]"}, {}, "out of range"),
        ({"residual_norms": "[1.0, 1.0, 0.0, 1.0]"}, {}, "out of range"),
        ({"residual_norms": "{"}, {}, "unreadable"),
        ({}, {"layer.1": torch.zeros(3)}, r"layer\.1 is torch\.float32 \[3\]"),
        ({}, {"layer.1": torch.zeros(64, dtype=torch.float16)}, "expected float32"),
        ({}, {"layer.4": torch.zeros(64)}, "and nothing else"),
        ({}, {"layer.1": torch.zeros(2_000_000)}, "larger than a vector file"),
    ],
)
def test_a_file_that_is_not_a_vector_of_this_model_is_refused(
    library, lm, tmp_path, metadata, tensors, complaint
):
    library.get(lm, "code_reading")
    path = library.path(lm, "code_reading").rename(tmp_path / "user.safetensors")
    rewrite(path, metadata, tensors)
    with pytest.raises(VectorFileError, match=complaint):
        library.load(path, lm)


def test_a_file_that_does_not_exist_is_refused(library, lm, tmp_path):
    with pytest.raises(VectorFileError, match="cannot be read"):
        library.load(tmp_path / "missing.safetensors", lm)


def test_everything_that_determines_a_vector_has_its_part_in_the_fingerprint(
    library, folder, lm, other, monkeypatch
):
    prints = {
        library.fingerprint(lm, "code_reading"),
        library.fingerprint(lm, "bug_analysis"),
        library.fingerprint(other, "code_reading"),
        library.fingerprint(load_model(str(folder), cache=folder, dtype=torch.bfloat16), "code_reading"),
    }
    retemplated = load_model(str(folder), cache=folder, dtype=torch.float32)
    retemplated.tokenizer.chat_template += " "
    prints.add(library.fingerprint(retemplated, "code_reading"))
    monkeypatch.setattr(library_module.defaults, "layer_for", lambda *_: 1)
    prints.add(library.fingerprint(lm, "code_reading"))
    assert len(prints) == 6


def test_vectors_of_different_methods_lie_side_by_side(library, lm):
    prompt_set = load_prompt_set("code_reading")
    paths = {
        library.save(library_module.extract(lm, prompt_set, method=method, token=token), lm)
        for method in ("mean_difference", "pca")
        for token in ("last", "mean")
    }
    assert len(paths) == 4
    assert library.path(lm, "code_reading") in paths


def test_the_list_names_every_vector_and_passes_over_other_files(library, lm, other, caplog):
    assert library.list() == []
    library.get(lm, "code_reading")
    library.get(other, "bug_analysis")
    library.path(lm, "django_web").write_bytes(b"junk")
    assert {(row.domain, row.model_id) for row in library.list()} == {
        ("code_reading", lm.model_id),
        ("bug_analysis", other.model_id),
    }
    assert "django_web" in caplog.text


def test_a_name_from_outside_stays_inside_the_folder(library, lm, tmp_path):
    vector = library.get(lm, "code_reading")
    object.__setattr__(vector, "domain", "../../../escape")
    path = library.save(vector, lm)
    assert path.resolve().is_relative_to(tmp_path / "vectors")


def test_an_unknown_domain_is_refused_before_any_work(library, lm, extractions):
    with pytest.raises(PromptSetError):
        library.get(lm, "poetry")
    assert extractions == []
