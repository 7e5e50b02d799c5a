import logging
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.cache import FeatureCache
from retrieval.features import Features, extract
from retrieval.tokens import count_terms

SOURCE = b"import os\n\n\nclass A(B):\n    x = 1\n\n    def f(self):\n        return os.path\n"
BLOB = "ab" + "0" * 38


def same(one: Features, other: Features) -> bool:
    return (
        (one.definitions, one.terms) == (other.definitions, other.terms)
        and np.array_equal(one.postings, other.postings)
        and np.array_equal(one.names, other.names)
    )


@given(st.text(max_size=300))
def test_the_chunks_of_a_file_hold_exactly_its_terms(text):
    features = extract(text.encode())
    summed: dict[str, int] = {}
    for _, term, count in features.postings.T.tolist():
        summed[features.terms[term]] = summed.get(features.terms[term], 0) + count
    assert summed == ({} if "\0" in text else dict(count_terms(text)))


def test_each_term_belongs_to_the_innermost_definition_around_it():
    features = extract(SOURCE)
    where = {(features.terms[t], c) for c, t, _ in features.postings.T.tolist()}
    assert [d.name for d in features.definitions] == ["A", "A.f"]
    assert {("import", 0), ("x", 1), ("path", 2)} <= where
    assert ("path", 1) not in where


def test_binary_and_badly_encoded_files_are_read_without_failing():
    assert extract(b"\x00\x01def f(): pass").terms == ()
    assert "é".encode("latin-1") not in (latin := extract(b"caf\xe9 = 1\n")).terms
    assert "caf" in latin.terms


def test_what_was_put_comes_back(tmp_path):
    FeatureCache(tmp_path).put(BLOB, extract(SOURCE))
    read = FeatureCache(tmp_path).get(BLOB)
    assert read is not None
    assert same(read, extract(SOURCE))


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_entry_is_reported_and_made_again(tmp_path, caplog, damage):
    cache = FeatureCache(tmp_path)
    cache.put(BLOB, extract(SOURCE))
    (entry,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    entry.write_bytes(entry.read_bytes()[:-5] if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        assert cache.get(BLOB) is None
    assert "damaged" in caplog.text
    cache.put(BLOB, extract(SOURCE))
    assert cache.get(BLOB) is not None


def test_postings_that_point_outside_are_damage():
    features = extract(SOURCE)
    shifted = replace(features, postings=features.postings + 1)
    with pytest.raises(ValueError, match="out of bounds"):
        Features.from_bytes(shifted.to_bytes())


def test_processes_that_write_and_one_that_is_killed_leave_only_whole_entries(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from retrieval.cache import FeatureCache; from retrieval.features import extract\n"
        "features = extract(b'def f(): pass\\n' * 300)\n"
        "while True:\n"
        "    for i in range(50): FeatureCache(Path(sys.argv[1])).put(f'{i:040x}', features)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    last = tmp_path / f"{FeatureCache(tmp_path).folder.name}/00/{49:038x}"
    while not last.exists():
        time.sleep(0.05)
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    expected = extract(b"def f(): pass\n" * 300)
    for i in range(50):
        read = FeatureCache(Path(tmp_path)).get(f"{i:040x}")
        assert read is not None
        assert same(read, expected)
