"""Files that are damaged, lie, or want something run: one line says so, and nothing else happens."""

import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.vectors import folders, tiny
from vectors.errors import VectorFileError
from vectors.formats import registry, steering_files
from vectors.formats.exchange import import_vector
from vectors.steering.intervention import Intervention

NAMES = tuple(name for name in registry.BUILT_IN if name != registry.OWN)
SUFFIX = {name: registry.format_of(name).suffixes[0] for name in NAMES}
VECTOR = tiny.random_vector(0)


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("models") / "llama", "llama", folders.CHATML)


@pytest.fixture(scope="module")
def good(lm, tmp_path_factory):
    """The bytes of a sound file of each format."""
    folder = tmp_path_factory.mktemp("good")
    for name in NAMES:
        steerings = [Intervention(VECTOR, 1, 4.0), Intervention(VECTOR, 2, 5.0)]
        steering_files.write(name, folder / f"{name}{SUFFIX[name]}", steerings, lm)
    return {name: (folder / f"{name}{SUFFIX[name]}").read_bytes() for name in NAMES}


def refused(name, path, lm, complaint=None):
    with pytest.raises(VectorFileError, match=complaint) as error:
        import_vector(path, lm, name, "mine")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_junk_nothing_a_folder_and_a_missing_file_are_refused(name, lm, tmp_path):
    path = tmp_path / "file"
    refused(name, path, lm)
    for content in (b"", b"GGUF", b"PK\x03\x04", b"junk" * 99, pickle.dumps({"layers.1": 1})):
        path.write_bytes(content)
        refused(name, path, lm)
    refused(name, tmp_path, lm)


@pytest.mark.parametrize("content", [b"", b"GGU", b"junk" * 99, pickle.dumps([1]), b"\xff" * 8 + b"{}"])
def test_content_of_no_format_is_not_guessed_at(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(VectorFileError, match=r"cannot be read|no format"):
        steering_files.detect(tmp_path / "file")


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_short_anywhere_is_refused(name, lm, good, tmp_path, share):
    whole = good[name].rstrip(b"\0")
    path = tmp_path / "file"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(VectorFileError):
        steering_files.read(name, path, lm)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_file_with_any_bytes_changed_is_sound_or_refused(name, lm, good, tmp_path, data):
    content = bytearray(good[name])
    for _ in range(data.draw(st.integers(1, 4))):
        # Most of what can go wrong is in the header, at the end of a zip too.
        place = data.draw(st.integers(0, 255) | st.integers(-256, -1) | st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "file"
    path.write_bytes(content)
    try:
        steerings = steering_files.read(name, path, lm)
    except VectorFileError:
        return
    for steering in steerings:
        steering.validate(lm.n_layers, lm.d_model)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_larger_than_the_models_vectors_is_refused_unread(name, lm, tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 43)  # nobody reads eight terabytes before the test's own time is over
    refused(name, path, lm, "at most")


def gguf(path, tensors, architecture="controlvector", hint="llama", more=lambda writer: None):
    writer = GGUFWriter(path, architecture)
    writer.add_string("controlvector.model_hint", hint)
    writer.add_uint32("controlvector.layer_count", len(tensors))
    more(writer)
    for name, tensor in tensors.items():
        writer.add_tensor(name, np.array(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


SOUND = VECTOR.numpy()


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"direction.1": SOUND, "direction.0": SOUND}, "direction.0.*llama.cpp refuse"),
        ({"direction.0": 0 * SOUND, "direction.1": SOUND}, "direction.0.*llama.cpp refuse"),
        ({"direction.1": SOUND, "token_embd.weight": SOUND}, "token_embd.weight.*expected direction"),
        ({"direction.1": SOUND, "direction.+2": SOUND}, "expected direction"),
        ({"direction.1": SOUND, "direction.02": SOUND}, "expected direction"),
        ({"direction.4": SOUND}, "blocks 0 to 3, not 4"),
        ({"direction.1": SOUND.astype(np.float16)}, "is F16"),
        ({"direction.1": SOUND.astype(np.float64)}, "is F64"),
        ({"direction.1": SOUND.reshape(1, -1)}, "one dimension"),
        ({"direction.1": SOUND[:-1]}, r"float32 \[63\], expected float32 \[64\]"),
        ({"direction.1": np.where(SOUND > 0, np.nan, SOUND)}, "not finite"),
        ({"direction.1": np.full(64, np.inf, np.float32)}, "not finite"),
        ({"direction.1": 0 * SOUND}, "adds nothing"),
        ({}, "adds nothing"),
    ],
)
def test_a_gguf_that_says_something_else_is_refused(tensors, complaint, lm, tmp_path):
    gguf(tmp_path / "file.gguf", tensors)
    refused("gguf", tmp_path / "file.gguf", lm, complaint)


def test_repeng_may_steer_block_0(lm, tmp_path):
    gguf(tmp_path / "file.gguf", {"direction.0": SOUND})
    assert [steering.layer for steering in steering_files.read("repeng", tmp_path / "file.gguf", lm)] == [0]


def test_a_gguf_of_a_model_is_no_control_vector(lm, tmp_path):
    gguf(tmp_path / "file.gguf", {"direction.1": SOUND}, architecture="llama")
    refused("gguf", tmp_path / "file.gguf", lm, "architecture")


def test_a_gguf_with_arrays_is_refused(lm, tmp_path):
    path = tmp_path / "file.gguf"
    gguf(path, {"direction.1": SOUND}, more=lambda writer: writer.add_array("tags", list(range(99))))
    refused("gguf", path, lm, "array")


def test_the_hint_of_another_architecture_warns_and_no_more(lm, tmp_path, caplog):
    gguf(tmp_path / "file.gguf", {"direction.1": SOUND}, hint="mistral\x1b[2J")
    assert len(steering_files.read("gguf", tmp_path / "file.gguf", lm)) == 1
    assert "mistral" in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize("place", [8, 16, 24])  # tensor count, field count, length of the first field's name
def test_a_gguf_whose_counts_are_huge_is_refused_and_not_counted_to(place, lm, good, tmp_path):
    content = bytearray(good["gguf"])
    content[place : place + 8] = struct.pack("<Q", 1 << 60)
    (tmp_path / "file.gguf").write_bytes(content)
    refused("gguf", tmp_path / "file.gguf", lm, "cannot be read as GGUF")


ENTRY = {
    "steering_vector": VECTOR,
    "steering_coefficient": 2.0,
    "action": "add",
    "bias": None,
    "head_index": None,
}


class Runs:
    """Unpickled without restrictions, this would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ([ENTRY], "a dict"),
        ({}, "adds nothing"),
        ({"layers.1": ENTRY | {"steering_coefficient": 0.0}}, "adds nothing"),
        ({"layers.1": ENTRY | {"action": "clamp"}}, "'clamp', only add"),
        ({"layers.1": ENTRY | {"bias": VECTOR}}, "bias"),
        ({"layers.1": ENTRY | {"head_index": 3}}, "head_index"),
        ({"layers.1": ENTRY | {"steering_coefficient": float("nan")}}, "finite number"),
        ({"layers.1": ENTRY | {"steering_coefficient": True}}, "finite number"),
        ({"layers.1": ENTRY | {"steering_coefficient": "2"}}, "finite number"),
        ({"layers.1": ENTRY | {"steering_vector": [1.0] * 64}}, "expected a tensor"),
        ({"layers.1": ENTRY | {"steering_vector": VECTOR[:3]}}, r"float32 \[3\]"),
        ({"layers.1": ENTRY | {"steering_vector": VECTOR.double()}}, "float64"),
        ({"layers.1": ENTRY | {"steering_vector": VECTOR.long()}}, "int64"),
        ({"layers.1": ENTRY | {"steering_vector": VECTOR.to_sparse()}}, "expected float32"),
        ({"layers.1": ENTRY | {"steering_vector": torch.nn.Parameter(VECTOR)}}, "expected float32"),
        ({"layers.1": ENTRY | {"steering_vector": torch.zeros(1).expand(1 << 40)}}, "expected float32"),
        ({"layers.1": ENTRY | {"steering_vector": VECTOR / 0}}, "not finite"),
        ({"layers.1": ENTRY | {"more": 1}}, "nothing else"),
        ({"layers.1": {"steering_vector": VECTOR}}, "does not hold"),
        ({"layers.1": VECTOR}, "does not hold"),
        ({"model.layers.1": ENTRY}, "not the output of a decoder block.*layers.0 to layers.3"),
        ({"layers.1.mlp": ENTRY}, "not the output of a decoder block"),
        ({"layers.4": ENTRY}, "not the output of a decoder block"),
        ({1: ENTRY}, "not the output of a decoder block"),
        ({"layers.1\x1b[2J": ENTRY}, "not the output of a decoder block"),
        ({f"layers.{i}": ENTRY for i in range(5)}, "at most one entry a block"),
    ],
)
def test_a_pt_file_that_says_something_else_is_refused(config, complaint, lm, tmp_path):
    torch.save(config, tmp_path / "file.pt")
    refused("lm-eval", tmp_path / "file.pt", lm, complaint)


def test_a_pt_file_of_half_precision_and_without_optional_entries_is_read(lm, tmp_path):
    config = {"layers.1": {"steering_vector": VECTOR.bfloat16(), "action": "add"}}
    torch.save(config, tmp_path / "file.pt")
    (steering,) = steering_files.read("lm-eval", tmp_path / "file.pt", lm)
    torch.testing.assert_close(steering.delta(), VECTOR.bfloat16().float())


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_in_a_pt_file_is_run(legacy, lm, tmp_path):
    witness = tmp_path / "run"
    config = {"layers.1": ENTRY | {"bias": Runs(witness)}}
    torch.save(config, tmp_path / "file.pt", _use_new_zipfile_serialization=not legacy)
    refused("lm-eval", tmp_path / "file.pt", lm, "cannot be read")
    assert not witness.exists()
    torch.load(tmp_path / "file.pt", weights_only=False)
    assert witness.exists()  # it would have been


def rezipped(source, target, change=lambda name, content: content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry.filename)))
    return target


@pytest.fixture
def saved(tmp_path):
    torch.save({"layers.1": ENTRY}, tmp_path / "saved.pt")
    return tmp_path / "saved.pt"


def test_a_pt_file_whose_tensor_claims_more_than_the_file_holds_is_refused(lm, saved, tmp_path):
    claimed, real = b"J" + struct.pack("<i", 1 << 30), b"K\x40"
    path = rezipped(
        saved,
        tmp_path / "file.pt",
        lambda name, content: content.replace(real, claimed) if name.endswith(".pkl") else content,
    )
    assert claimed in path.read_bytes()
    refused("lm-eval", path, lm, "cannot be read")


def test_a_compressed_pt_file_cannot_blow_up(lm, saved, tmp_path):
    def bomb(name, content):
        return content + bytes(1 << 26) if name.endswith(".pkl") else content

    path = rezipped(saved, tmp_path / "file.pt", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    refused("lm-eval", path, lm, "not an archive")


def test_a_torchscript_archive_is_refused_without_a_warning(lm, tmp_path, recwarn):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "file.pt"))
    recwarn.clear()
    refused("lm-eval", tmp_path / "file.pt", lm, "not an archive")
    assert not recwarn.list


@pytest.mark.parametrize(
    ("tensors", "metadata", "complaint"),
    [
        ({"layer_activations.1": VECTOR}, {}, "layer_type 'None'"),
        ({"layer_activations.1": VECTOR}, {"layer_type": "mlp"}, "layer_type 'mlp'"),
        ({"layer_activations.4": VECTOR}, None, "blocks 0 to 3"),
        ({"layer_activations.-1": VECTOR}, None, "expected layer_activations"),
        ({"layer_activations.1": VECTOR, "extra": VECTOR + 1}, None, "'extra' is no tensor"),
        ({"layer_activations.1": VECTOR[:3]}, None, r"float32 \[3\]"),
        ({"layer_activations.1": VECTOR.double()}, None, "float64"),
        ({"layer_activations.1": VECTOR.repeat(2, 1)}, None, r"\[2, 64\]"),
        ({"layer_activations.1": VECTOR / 0}, None, "not finite"),
        ({"layer_activations.1": 0 * VECTOR}, None, "adds nothing"),
    ],
)
def test_a_steering_vectors_file_that_says_something_else_is_refused(
    tensors, metadata, complaint, lm, tmp_path
):
    if metadata is None:
        metadata = {"layer_type": "decoder_block"}
    save_file(tensors, tmp_path / "file.safetensors", metadata)
    refused("steering-vectors", tmp_path / "file.safetensors", lm, complaint)


@pytest.mark.parametrize("name", ["safetensors", "steering-vectors"])
def test_a_huge_safetensors_header_is_refused(name, lm, tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    refused(name, path, lm, "cannot be read")
    with pytest.raises(VectorFileError, match="no format"):
        steering_files.detect(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_made_for_a_model_of_another_width_is_refused(name, good, lm, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(good[name])
    monkeypatch.setattr(lm, "d_model", 128)
    with pytest.raises(VectorFileError, match=r"\[64\], expected float32 \[128\]"):
        steering_files.read(name, path, lm)


def test_reading_leaves_the_file_as_it_was_and_can_be_removed(good, lm, tmp_path):
    for name in NAMES:
        path = tmp_path / name
        path.write_bytes(good[name])
        steerings = steering_files.read(name, path, lm)
        before = [steering.vector.clone() for steering in steerings]
        assert path.read_bytes() == good[name]
        path.write_bytes(bytes(len(good[name])))  # what was read is a copy, not a view of the file
        for steering, vector in zip(steerings, before, strict=True):
            assert torch.equal(steering.vector, vector)
    shutil.rmtree(tmp_path)
