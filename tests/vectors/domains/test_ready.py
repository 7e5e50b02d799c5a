"""The embedded model's vectors come with the package, and are those that it would extract."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cosine_similarity

from vectors.domains.extraction import extract
from vectors.domains.library import READY, VectorLibrary
from vectors.measuring.dosing import Dosing
from vectors.models.loading import load_model

RECIPE = "make them again as CONTRIBUTING says"

pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def lm(cache_dir):
    return load_model("smollm2-135m", cache=cache_dir, dtype=torch.bfloat16)


def never(*_):
    raise AssertionError("nothing has to be measured")


def test_each_domain_has_a_ready_vector_and_dose_of_todays_prompts_and_no_other_lies_there(lm, tmp_path):
    library = VectorLibrary(tmp_path, Dosing(lm, never))
    files = [library.path(lm, domain).name for domain in library.domains.names()]
    wanted = {name for file in files for name in (file, f"{file}.doses.json")}
    assert {path.name for path in READY.iterdir()} == wanted, RECIPE
    for domain in library.domains.names():
        vector = library.get(lm, domain, never)
        assert vector.intervention().alpha > 0, RECIPE
        assert vector.file == library.path(lm, domain)
        assert Path(vector.file).read_bytes() == (READY / vector.file.name).read_bytes()


def test_a_ready_vector_is_what_extraction_gives_but_for_rounding(lm, tmp_path):
    library = VectorLibrary(tmp_path)
    domain = library.domains.load("code_reading")
    fresh = extract(lm, domain.prompts, method=domain.method, token=domain.token)
    ready = library.get(lm, "code_reading", never)
    assert cosine_similarity(ready.directions, fresh.directions).min() > 0.999
    assert torch.allclose(ready.spreads, fresh.spreads, rtol=0.01)
    assert ready.default_layer == fresh.default_layer
