"""Plug-ins of other distributions, really installed, and what is said of those that cannot be used."""

import sys

import pytest

from tests.plugins import install
from vectors import plugins
from vectors.errors import PluginError

GROUP = "orchestrate.tests"
BUILT_IN = {"two": "vectors.steering.intervention:Intervention"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    source = "ONE = 1\nNAME = 'x'\n"
    install(folder, "plug-one", source, GROUP, one="ONE", text="NAME", gone="NOTHING")
    return install(folder, "plug-broken", "raise RuntimeError('two\\nlines')", GROUP, broken="ANY")


@pytest.fixture
def installed(site, monkeypatch):
    monkeypatch.syspath_prepend(site)
    yield
    for module in ("plug_one", "plug_broken"):
        sys.modules.pop(module, None)


def test_what_another_distribution_adds_stands_beside_what_is_built_in(installed):
    found = plugins.find(GROUP, BUILT_IN)
    assert set(found) == {"two", "one", "text", "gone", "broken"}
    assert plugins.load(found["one"], int) == 1
    assert plugins.load(found["two"], type).__name__ == "Intervention"


def test_without_plug_ins_there_is_what_is_built_in():
    assert set(plugins.find(GROUP, BUILT_IN)) == {"two"}


def test_finding_imports_nothing(installed):
    plugins.find(GROUP, BUILT_IN)
    assert "plug_broken" not in sys.modules
    assert "plug_one" not in sys.modules


def test_a_name_that_is_taken_is_refused_and_both_who_claim_it_are_named(installed, tmp_path, monkeypatch):
    with pytest.raises(PluginError, match=r"^this project and plug-one 1\.0 both provide 'one' of"):
        plugins.find(GROUP, {"one": "vectors.steering.intervention:Intervention"})
    monkeypatch.syspath_prepend(install(tmp_path, "plug-two", "ONE = 2", GROUP, one="ONE"))
    with pytest.raises(PluginError, match=r"plug-(one|two) 1\.0 and plug-(two|one) 1\.0 both provide 'one'"):
        plugins.find(GROUP, BUILT_IN)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "'broken' of orchestrate.tests, plug_broken:ANY from plug-broken 1.0, cannot be loaded "
                   "(RuntimeError: two lines); update or uninstall it"),
        ("gone", "'gone' of orchestrate.tests, plug_one:NOTHING from plug-one 1.0, cannot be loaded "),
        ("text", "'text' of orchestrate.tests, plug_one:NAME from plug-one 1.0, is a str, expected a int"),
    ],
)  # fmt: skip
def test_a_plug_in_that_cannot_be_used_is_named_in_one_line(installed, name, said):
    with pytest.raises(PluginError) as caught:
        plugins.load(plugins.find(GROUP, {})[name], int)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
