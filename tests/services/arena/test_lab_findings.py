"""What sweeps and autoencoders of the laboratory's folder say to the library; what is broken says nothing."""

import json

from services.arena.lab_findings import marks_below
from services.arena.lab_saes import saes_below

DIGEST = "d" * 64


def experiment(root, name, document):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "shown.json").write_text("{}")
    (folder / "result.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return folder


def sweep(digest=DIGEST, sha="a" * 64):
    zones = [(1, 2.0, "rigid"), (1, 8.0, "degenerate"), (1, 4.0, "responsive"), (3, 2.0, "rigid")]
    cells = [{"layer": layer, "alpha": alpha, "zone": zone, "share": 0.1} for layer, alpha, zone in zones]
    return {"model_digest": digest, "vectors": [{"sha256": sha, "domain": "x"}], "cells": cells}


def test_a_sweep_marks_where_its_vector_changes_the_model_and_where_that_degenerates(tmp_path):
    experiment(tmp_path, "sweep", sweep())
    experiment(tmp_path, "other", sweep(digest="e" * 64, sha="b" * 64))
    found = marks_below(tmp_path, DIGEST)
    assert list(found) == ["a" * 64]
    one, three = found["a" * 64]
    assert (one.layer, one.alphas) == (1, (2.0, 4.0, 8.0))
    assert (one.changes_from, one.degenerates_from) == (4.0, 8.0)
    assert (three.changes_from, three.degenerates_from) == (None, None)


def test_an_autoencoder_is_told_with_its_block(tmp_path):
    folder = experiment(tmp_path, "train", {})
    sae = folder / "saes" / "topk-64"
    sae.mkdir(parents=True)
    metadata = {"model_digest": DIGEST, "layer": 15, "training_tokens": 9}
    (sae / "cfg.json").write_text(json.dumps({"architecture": "topk", "d_sae": 64, "metadata": metadata}))
    (found,) = saes_below(tmp_path, DIGEST)
    assert (found.name, found.layer, found.architecture, found.features) == ("topk-64", 15, "topk", 64)
    assert saes_below(tmp_path, "e" * 64) == []


def test_what_is_broken_or_lies_elsewhere_says_nothing(tmp_path):
    root, outside = tmp_path / "lab", tmp_path / "outside"
    experiment(root, "broken", "{")
    experiment(root, "list", "[]")
    (experiment(root, "cells", sweep() | {"cells": [{"layer": "x"}]}) / "saes").write_text("")
    target = experiment(outside, "sweep", sweep())
    (root / "link").symlink_to(target)
    assert marks_below(root, DIGEST) == {}
    assert saes_below(root, DIGEST) == []
    assert marks_below(tmp_path / "nowhere", DIGEST) == {}
