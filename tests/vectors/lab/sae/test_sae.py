"""Sparse autoencoders of both architectures, on numbers small enough to follow, and what is refused."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file

from tests.plugins import documented, install
from vectors.errors import PluginError, SaeError
from vectors.lab.sae.folders import read

# Two channels, three features: the first reads channel 0, the second channel 1, the third both.
WEIGHTS = {
    "W_enc": torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]]),
    "b_enc": torch.tensor([0.0, -1.0, -6.0]),
    "W_dec": torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]),
    "b_dec": torch.tensor([1.0, 2.0]),
}
HIDDEN = torch.tensor([[[3.0, 4.0], [0.0, 2.0]]])  # less b_dec: (2, 2) and (-1, 0)


@pytest.fixture
def folder(tmp_path):
    def write(weights=WEIGHTS, **config):
        config = {"architecture": "standard", "d_in": 2, "d_sae": 3, "dtype": "float32"} | config
        (tmp_path / "cfg.json").write_text(json.dumps(config), "utf-8")
        save_file(weights, tmp_path / "sae_weights.safetensors")
        return tmp_path

    return write


def test_a_standard_one_lets_through_what_is_positive(folder):
    sae = read(folder())
    features = sae.encode(HIDDEN)
    assert features.tolist() == [[[2.0, 1.0, 2.0], [0.0, 0.0, 0.0]]]
    # 1·2 + 3·2 + 1 and 2·1 + 4·2 + 2; where nothing is active the decoder's bias is left.
    assert sae.decode(features).tolist() == [[[9.0, 12.0], [1.0, 2.0]]]


def test_the_decoders_bias_is_left_in_the_input_where_training_left_it(folder):
    sae = read(folder(apply_b_dec_to_input=False))
    assert sae.encode(HIDDEN).tolist() == [[[3.0, 3.0, 8.0], [0.0, 1.0, 0.0]]]


@pytest.mark.parametrize(
    ("k", "features"), [(1, [0.0, 0.0, 2.0]), (2, [2.0, 0.0, 2.0]), (3, [2.0, 0.5, 2.0])]
)
def test_topk_keeps_the_k_largest(folder, k, features):
    weights = WEIGHTS | {"b_enc": torch.tensor([0.0, -1.5, -6.0]) + torch.tensor([0.0, 0.0, 1e-6])}
    sae = read(folder(weights, architecture="topk", k=k))
    torch.testing.assert_close(sae.encode(HIDDEN)[0, 0], torch.tensor(features))


def test_abstopk_keeps_those_furthest_from_zero_with_their_signs(folder):
    sae = read(folder(architecture="abstopk", k=2))
    hidden = torch.tensor([[3.0, 4.5], [0.0, 2.5]])  # less b_dec: (2, 2.5) and (-1, 0.5)
    assert sae.encode(hidden).tolist() == [[2.0, 0.0, 3.0], [-1.0, 0.0, -7.0]]


def test_jumprelu_lets_through_whole_what_exceeds_its_features_threshold(folder):
    sae = read(folder(WEIGHTS | {"threshold": torch.tensor([1.5, 1.5, 2.0])}, architecture="jumprelu"))
    assert sae.encode(HIDDEN)[0, 0].tolist() == [2.0, 0.0, 0.0]
    for weights, found in ((WEIGHTS, "missing"), (WEIGHTS | {"threshold": torch.ones(2)}, r"\[2\]")):
        with pytest.raises(SaeError, match=f"threshold is {found}, expected"):
            read(folder(weights, architecture="jumprelu"))


def test_a_gated_one_decides_by_one_bias_and_measures_by_another(folder):
    weights = {name: tensor for name, tensor in WEIGHTS.items() if name != "b_enc"}
    own = {"b_gate": [-3.0, -1.0, -6.0], "b_mag": [5.0, 1.0, 0.0], "r_mag": [0.0, 0.0, 0.0]}
    own = {name: torch.tensor(values) for name, values in own.items()}
    own["r_mag"][2] = torch.tensor(0.5).log()
    sae = read(folder(weights | own, architecture="gated"))
    assert sae.encode(HIDDEN)[0, 0].tolist() == [0.0, 3.0, 4.0]
    with pytest.raises(SaeError, match="expected b_gate, b_mag, r_mag, no b_enc"):
        read(folder(architecture="gated"))


def test_topk_never_lets_through_what_is_negative(folder):
    sae = read(folder(architecture="topk", k=3))
    assert sae.encode(HIDDEN)[0, 1].tolist() == [0.0, 0.0, 0.0]


def test_topk_chooses_by_the_decoders_norms_where_training_did_and_decodes_the_same(folder):
    weights = WEIGHTS | {"b_enc": torch.tensor([0.0, -1.5, -6.5])}
    assert read(folder(weights, architecture="topk", k=1)).encode(HIDDEN)[0, 0].tolist() == [2.0, 0.0, 0.0]
    sae = read(folder(weights, architecture="topk", k=2, rescale_acts_by_decoder_norm=True))
    features = sae.encode(HIDDEN)[0, 0]
    assert features.tolist() == [2.0, 0.0, 7.5]  # 2, 0.5 and 1.5 by the norms 1, 2 and 5
    assert sae.decode(features).tolist() == pytest.approx([7.5, 8.0])


@pytest.mark.parametrize("architecture", ["standard", "topk"])
def test_any_shape_of_residuals_is_read_and_its_dtype_does_not_matter(folder, architecture):
    halves = {name: tensor.bfloat16() for name, tensor in WEIGHTS.items()}
    sae = read(folder(halves, architecture=architecture, k=2))
    for shape in ((2,), (5, 2), (2, 3, 2)):
        features = sae.encode(torch.randn(shape).bfloat16())
        assert (features.shape, features.dtype) == ((*shape[:-1], 3), torch.float32)
        assert sae.decode(features).shape == shape


def test_an_autoencoder_whose_features_are_the_channels_gives_back_what_it_reads(folder):
    eye = torch.eye(4)
    weights = {"W_enc": torch.cat([eye, -eye], dim=1), "W_dec": torch.cat([eye, -eye])}
    weights |= {"b_enc": torch.zeros(8), "b_dec": torch.randn(4)}
    hidden = torch.randn(7, 4)
    for config in ({"architecture": "standard"}, {"architecture": "topk", "k": 4}):
        sae = read(folder(weights, d_in=4, d_sae=8, **config))
        torch.testing.assert_close(sae.decode(sae.encode(hidden)), hidden)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"architecture": "transcoder"},
            "'transcoder', known are standard, topk, abstopk, jumprelu, gated; install a plug-in",
        ),
        ({"architecture": None}, "the architecture is None"),
        ({"architecture": "topk"}, "k is None, expected a number of features from 1 to 3"),
        ({"architecture": "topk", "k": 4}, "k is 4"),
        ({"normalize_activations": "layer_norm"}, "only none can be run"),
        ({"reshape_activations": "hook_z"}, "only none can be run"),
        ({"d_sae": 4}, r"W_enc \[2, 3\].*expected .*W_enc \[2, 4\]"),
    ],
)
def test_what_cannot_be_run_as_it_was_trained_is_refused_in_a_line_that_names_the_folder(
    folder, config, said
):
    with pytest.raises(SaeError, match=said) as caught:
        read(folder(**config))
    assert "\n" not in str(caught.value) and "test_what_cannot" in str(caught.value)


def test_weights_that_are_missing_too_many_or_not_finite_are_refused(folder):
    for weights in (
        {name: tensor for name, tensor in WEIGHTS.items() if name != "b_dec"},
        WEIGHTS | {"threshold": torch.ones(3)},
        WEIGHTS | {"b_dec": torch.tensor([1.0, float("nan")])},
    ):
        with pytest.raises(SaeError, match=r"the weights are|not finite"):
            read(folder(weights))


def test_files_that_are_no_autoencoder_are_refused(folder, tmp_path):
    path = folder()
    for name, content in (("sae_weights.safetensors", b"x" * 99), ("cfg.json", b"[]"), ("cfg.json", b"{")):
        (path / name).write_bytes(content)
        with pytest.raises(SaeError, match=name.replace(".", r"\.")):
            read(path)
    with pytest.raises(SaeError, match="can be read"):
        read(tmp_path / "nowhere")


GROUP = "orchestrate.sae_architectures"


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    def plug_in(source, **entries):
        monkeypatch.syspath_prepend(install(tmp_path / "plugin", "sae-plugged", source, GROUP, **entries))

    yield plug_in
    sys.modules.pop("sae_plugged", None)


def test_an_installed_architecture_reads_folders_of_its_name(plug_in, folder):
    plug_in(documented("SAE architectures"), pursuit="Pursuit")
    weights = {"W_dec": torch.tensor([[1.0, 0.0], [0.6, 0.8]]), "b_dec": torch.tensor([1.0, 2.0])}
    sae = read(folder(weights, architecture="pursuit", steps=1))
    # Less the bias it is (2, 2): the second row explains 2.8 of it, the first only 2.
    torch.testing.assert_close(sae.encode(HIDDEN)[0, 0], torch.tensor([0.0, 2.8]))
    with pytest.raises(SaeError, match="expected W_dec and b_dec"):
        read(folder(architecture="pursuit", steps=1))


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        (
            "Made = 1/0",
            "mine",
            "'mine' of orchestrate.sae_architectures, sae_plugged:Made from sae-plugged 1.0",
        ),
        ("class Made: pass", "mine", "mine of a plug-in failed: TypeError"),
        (
            "class Made:\n    def __init__(self, *_): pass",
            "mine",
            "mine of a plug-in has no encode and decode",
        ),
        ("class Made: pass", "topk", "this project and sae-plugged 1.0 both provide 'topk'"),
    ],
)
def test_an_architecture_that_cannot_be_used_is_named_in_one_line(plug_in, folder, source, name, said):
    plug_in(source, **{name: "Made"})
    with pytest.raises(PluginError, match=said) as caught:
        read(folder(architecture=name))
    assert "\n" not in str(caught.value)
