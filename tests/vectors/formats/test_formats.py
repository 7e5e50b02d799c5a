import dataclasses
import json

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from tests.vectors import folders, tiny
from vectors.domains import library
from vectors.domains.extraction import extract
from vectors.domains.library import VectorLibrary
from vectors.errors import NotExpressible, SteeringMismatch, VectorFileError
from vectors.formats import registry, steering_files
from vectors.formats.exchange import export_vector, import_vector
from vectors.steering.intervention import Intervention
from vectors.steering.positions import GENERATED

NAMES = tuple(name for name in registry.BUILT_IN if name != registry.OWN)
SUFFIX = {name: registry.format_of(name).suffixes[0] for name in NAMES}


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("models") / "llama", "llama", folders.CHATML)


@pytest.fixture(scope="module")
def vector(lm):
    return extract(lm, folders.first("code_reading", 3))


def path_for(folder, name):
    return folder / f"vector{SUFFIX[name]}"


def assert_same_effect(found, given):
    """Equal up to the last bits of float32, which writing α·v/‖v‖ and dividing by its norm again costs."""
    assert [steering.layer for steering in found] == [steering.layer for steering in given]
    for one, other in zip(found, given, strict=True):
        torch.testing.assert_close(one.delta(), other.delta(), rtol=2e-6, atol=0)


@st.composite
def steerings(draw, first_layer=0):
    """Vectors of any size and dtype, at any layers that the format can name, with any sensible α."""
    layers = draw(st.sets(st.integers(first_layer, tiny.LAYERS - 1), min_size=1))
    made = []
    for layer in sorted(layers):
        scale = 10.0 ** draw(st.integers(-12, 12))
        dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float64]))
        vector = (tiny.random_vector(draw(st.integers(0, 99))) * scale).to(dtype)
        alpha = draw(st.floats(1e-3, 1e4)) * draw(st.sampled_from([1, -1]))
        made.append(Intervention(vector, layer, alpha))
    return made


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_what_is_written_is_read_back_by_its_effect(name, lm, tmp_path, data):
    given_ = data.draw(steerings(registry.format_of(name).first_layer))
    path = path_for(tmp_path, name)
    steering_files.write(name, path, given_, lm)
    assert_same_effect(steering_files.read(name, path, lm), given_)
    assert steering_files.detect(path) == ("gguf" if name == "repeng" else name)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=3)
@given(layer=st.integers(1, tiny.LAYERS - 1), alpha=st.floats(0.01, 1000) | st.none())
def test_an_exported_vector_is_imported_with_its_layer_alpha_and_direction(
    name, lm, vector, tmp_path, layer, alpha
):
    path = path_for(tmp_path, name)
    (said,) = export_vector(vector, lm, name, path, layers=[layer], alpha=alpha)
    imported = import_vector(path, lm, name, "mine")
    assert_same_effect([imported.intervention()], [said])
    assert imported.intervention().layer == layer
    assert imported.intervention().alpha == pytest.approx(said.alpha, rel=1e-6)
    assert imported.relative_alpha(imported.intervention()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_exporting_an_imported_vector_again_says_the_same(name, lm, vector, tmp_path):
    first, second = path_for(tmp_path / "first", name), path_for(tmp_path / "second", name)
    export_vector(vector, lm, name, first, layers=[2, 3])
    imported = import_vector(first, lm, name, "mine")
    steering_files.write(
        name, second, [imported.intervention(layer, float(imported.norms()[layer])) for layer in (2, 3)], lm
    )
    assert_same_effect(steering_files.read(name, second, lm), steering_files.read(name, first, lm))


def test_our_own_format_is_imported_bit_for_bit_with_what_was_chosen_as_defaults(lm, vector, tmp_path):
    path = tmp_path / "vector.safetensors"
    (said,) = export_vector(vector, lm, "safetensors", path, layers=[1], alpha=2.5)
    imported = import_vector(path, lm, steering_files.detect(path), None)
    assert torch.equal(imported.directions, vector.directions)
    assert torch.equal(imported.residual_norms, vector.residual_norms)
    assert (imported.domain, imported.default_layer, imported.default_alpha) == ("code_reading", 1, 2.5)
    assert (said.layer, said.alpha) == (1, 2.5)
    assert import_vector(path, lm, "safetensors", "mine").domain == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_all_layers_are_those_that_the_format_can_name(name, lm, vector, tmp_path):
    path = path_for(tmp_path, name)
    said = export_vector(vector, lm, name, path, layers="all")
    first = 1 if name == "gguf" else 0
    assert [steering.layer for steering in said] == list(range(first, lm.n_layers))
    assert [steering.layer for steering in steering_files.read(name, path, lm)] == list(
        range(first, lm.n_layers)
    )
    shares = {round(vector.relative_alpha(steering), 6) for steering in said}
    assert len(shares) == 1


def test_the_gguf_has_the_documented_fields_and_tensors(lm, vector, tmp_path):
    path = tmp_path / "vector.gguf"
    said = export_vector(vector, lm, "gguf", path, layers=[1, 3], alpha=8.0)
    reader = GGUFReader(path)
    ours = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert set(ours) == {"general.architecture", "controlvector.model_hint", "controlvector.layer_count"}
    assert ours["general.architecture"].contents() == "controlvector"
    assert ours["controlvector.model_hint"].contents() == "llama"
    assert ours["controlvector.layer_count"].types == [GGUFValueType.UINT32]
    assert ours["controlvector.layer_count"].contents() == 2
    assert [tensor.name for tensor in reader.tensors] == ["direction.1", "direction.3"]
    for tensor, steering in zip(reader.tensors, said, strict=True):
        assert tensor.tensor_type == GGMLQuantizationType.F32
        assert tensor.shape.tolist() == [lm.d_model]
        assert np.array_equal(tensor.data, steering.delta().numpy())
        assert np.linalg.norm(tensor.data) == pytest.approx(8.0)


def test_the_lm_eval_file_holds_a_unit_vector_and_alpha_as_its_coefficient(lm, vector, tmp_path):
    path = tmp_path / "vector.pt"
    export_vector(vector, lm, "lm-eval", path, layers=[2], alpha=-6.0)
    config = torch.load(path, weights_only=True)
    assert set(config) == {"layers.2"}
    entry = config["layers.2"]
    assert float(entry.pop("steering_vector").norm()) == pytest.approx(1)
    assert entry == {"steering_coefficient": -6.0, "action": "add", "bias": None, "head_index": None}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_lm_eval_is_told_the_blocks_name_under_the_base_model(family, tmp_path):
    lm = folders.language_model(tmp_path / family, family)
    path = tmp_path / "vector.pt"
    steering_files.write("lm-eval", path, [Intervention(tiny.random_vector(1), 3, 2.0)], lm)
    (hookpoint,) = torch.load(path, weights_only=True)
    assert hookpoint == ("h.3" if family == "gpt2" else "layers.3")
    assert [steering.layer for steering in steering_files.read("lm-eval", path, lm)] == [3]


def test_the_steering_vectors_file_holds_the_fields_of_its_class(lm, vector, tmp_path):
    path = tmp_path / "vector.safetensors"
    (said,) = export_vector(vector, lm, "steering-vectors", path, layers=[2])
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["layer_type"] == "decoder_block"
        assert list(file.keys()) == ["layer_activations.2"]
        assert torch.equal(file.get_tensor("layer_activations.2"), said.delta())


GOOD = Intervention(tiny.random_vector(0), 1, 4.0)


@pytest.mark.parametrize(
    ("name", "steering", "complaint"),
    [
        ("gguf", dataclasses.replace(GOOD, layer=0), "gguf cannot name block 0.*from 1 on"),
        *[(name, dataclasses.replace(GOOD, operation="multiply"), "export mode add") for name in NAMES],
        *[(name, dataclasses.replace(GOOD, positions=GENERATED), "export positions all") for name in NAMES],
        *[(name, dataclasses.replace(GOOD, alpha=0), "adds nothing") for name in NAMES],
        *[(name, dataclasses.replace(GOOD, alpha=1e-60), "adds nothing") for name in NAMES],
        *[(name, dataclasses.replace(GOOD, layer=tiny.LAYERS), "does not exist") for name in NAMES],
        *[(name, dataclasses.replace(GOOD, alpha=float("nan")), "must be finite") for name in NAMES],
        *[(name, dataclasses.replace(GOOD, vector=torch.zeros(tiny.WIDTH)), "not zero") for name in NAMES],
        *[(name, dataclasses.replace(GOOD, vector=torch.ones(3)), "the model needs") for name in NAMES],
    ],
)
def test_what_a_format_cannot_say_is_refused_and_leaves_no_file(name, steering, complaint, lm, tmp_path):
    with pytest.raises((NotExpressible, SteeringMismatch), match=complaint) as refused:
        steering_files.write(name, path_for(tmp_path, name), [steering], lm)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_one_layer_twice_and_none_at_all_are_refused(name, lm, tmp_path):
    for given_ in ([], [GOOD, GOOD]):
        with pytest.raises(NotExpressible, match="at least one"):
            steering_files.write(name, path_for(tmp_path, name), given_, lm)


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_file_name_that_the_loader_would_not_know_is_refused(name, lm, vector, tmp_path):
    with pytest.raises(NotExpressible, match="ends with"):
        export_vector(vector, lm, name, tmp_path / "vector.bin")


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_place_that_cannot_be_written_is_refused(name, lm, vector, tmp_path):
    (tmp_path / "file").touch()
    suffix = SUFFIX.get(name, ".safetensors")
    with pytest.raises(VectorFileError, match="cannot be written"):
        export_vector(vector, lm, name, tmp_path / "file" / f"vector{suffix}")


def test_our_own_format_refuses_a_mode_and_several_defaults(lm, vector, tmp_path):
    path = tmp_path / "vector.safetensors"
    with pytest.raises(NotExpressible, match="mode add"):
        export_vector(vector, lm, "safetensors", path, mode="multiply")
    with pytest.raises(NotExpressible, match="one default"):
        export_vector(vector, lm, "safetensors", path, layers=[1, 2])
    with pytest.raises(SteeringMismatch, match="does not exist"):
        export_vector(vector, lm, "safetensors", path, layers=[9])
    assert not path.exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_that_the_file_lacks_cannot_be_steered_or_exported(name, lm, vector, tmp_path):
    path = path_for(tmp_path, name)
    export_vector(vector, lm, name, path, layers=[2])
    imported = import_vector(path, lm, name, "mine")
    with pytest.raises(SteeringMismatch, match="not zero"):
        imported.intervention(3).validate(lm.n_layers, lm.d_model)
    with pytest.raises(SteeringMismatch, match="not zero"):
        export_vector(imported, lm, name, path_for(tmp_path / "again", name), layers=[3])
    assert [s.layer for s in export_vector(imported, lm, name, path, layers="all")] == [2]


def test_of_several_layers_the_one_nearest_to_the_domains_own_is_the_default(lm, vector, tmp_path):
    assert vector.default_layer == 2
    path = tmp_path / "vector.pt"
    for layers, expected in (([0, 1], 1), ([0, 1, 2, 3], 2), ([0, 3], 3)):
        export_vector(vector, lm, "lm-eval", path, layers=layers, alpha=7.0)
        imported = import_vector(path, lm, "lm-eval", "code_reading")
        assert imported.default_layer == expected
        assert imported.default_alpha == pytest.approx(7.0)


def test_norms_and_spreads_are_measured_on_the_domains_prompts_or_those_of_code_reading(lm, vector, tmp_path):
    path = tmp_path / "vector.pt"
    export_vector(vector, lm, "lm-eval", path)
    own = VectorLibrary(tmp_path / "vectors").get(lm, "bug_analysis")
    imported = import_vector(path, lm, "lm-eval", "bug_analysis")
    assert torch.equal(imported.residual_norms, own.residual_norms)
    assert torch.equal(imported.spreads, own.spreads)
    unknown = import_vector(path, lm, "lm-eval", "happiness")
    assert unknown.metadata["residual_norms_from"] == "code_reading"
    assert (unknown.residual_norms > 0).all()


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_an_imported_vector_says_where_it_is_from_and_never_passes_for_the_extracted_one(
    name, lm, vector, tmp_path
):
    kept = VectorLibrary(tmp_path / "vectors")
    extracted = kept.get(lm, "code_reading")
    path = tmp_path / f"theirs{SUFFIX.get(name, '.safetensors')}"
    export_vector(extracted, lm, name, path, alpha=123.0)
    imported = import_vector(path, lm, name, "code_reading")
    saved = kept.save(imported, lm)
    assert saved != kept.path(lm, "code_reading")
    assert kept.get(lm, "code_reading").sha256 == extracted.sha256
    assert kept.get(lm, "code_reading").default_alpha is extracted.default_alpha is None
    again = library.load(saved, lm)
    assert again.default_alpha == pytest.approx(123.0)
    assert again.metadata["method"].startswith(f"imported from {name}, sha256 ")
    assert again.metadata["source_file"] == path.name
    assert again.metadata["model_digest"] == lm.digest
    if name != "safetensors":
        assert json.loads(again.metadata["layers"]) == [extracted.default_layer]


@pytest.mark.parametrize("name", NAMES)
def test_another_tools_file_needs_a_domain(name, lm, vector, tmp_path):
    path = path_for(tmp_path, name)
    export_vector(vector, lm, name, path)
    with pytest.raises(VectorFileError, match="does not say its domain"):
        import_vector(path, lm, name, None)


def test_vectors_at_both_ends_of_float32_come_back(lm, tmp_path):
    for scale in (1e-36, 1e36):
        given_ = [Intervention(torch.ones(tiny.WIDTH), 1, 8 * scale)]
        for name in NAMES:
            path = path_for(tmp_path, name)
            steering_files.write(name, path, given_, lm)
            assert_same_effect(steering_files.read(name, path, lm), given_)
