"""Tiny models as everything else in the room meets them."""

import pytest

from tests.vectors import folders, tiny


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def lm(request, tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp(request.param), request.param, folders.CHATML)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("llama"), "llama", folders.CHATML)
