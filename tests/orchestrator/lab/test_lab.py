"""The laboratory as calls: typed arguments, and a result that knows what it was measured on."""

import json
from pathlib import Path

import pytest

from orchestrator.lab import extracting
from orchestrator.lab.composition import compose_domains
from orchestrator.lab.exchange import export_to, import_from
from orchestrator.lab.extracting import extract_vectors, kept_vectors
from orchestrator.lab.lenses import portrait, read_through_lens
from orchestrator.lab.sweeping import sweep_vector
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.domains.prompt_sets import PromptSetError
from vectors.errors import UnfitAnalysis
from vectors.measuring.journal import Journal
from vectors.progress import silent
from vectors.steering.reading import terms_of

PROMPTS = ("Go on.", "Why?")


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        yield session


def test_a_sweep_says_what_it_was_made_with_and_is_drawn_alike_twice(session, tmp_path):
    found = sweep_vector(session, "code_reading", PROMPTS, layers=[3, 0], shares=[0.5], tokens=2)
    assert [cell.layer for cell in found.swept.cells] == [0, 3]
    assert found.settings.prompts == PROMPTS
    assert found.settings.alphas == ()
    (vector,) = found.provenance.vectors
    assert vector.sha256 == session.vectors.get(session.model, "code_reading").sha256
    for name in ("one.svg", "other.svg"):
        found.draw(tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


def test_the_document_has_the_provenance_first_and_the_zone_of_each_cell(session):
    found = sweep_vector(session, "code_reading", PROMPTS, layers=[1], alphas=[2.0], tokens=2)
    document = json.loads(json.dumps(found.model_dump()))
    names = list(document)
    assert names[:6] == ["model", "model_revision", "model_digest", "dtype", "vectors", "settings"]
    assert names[6:] == [
        "n_layers", "cells", "repeat_change_rate", "unsteered_degenerate", "unsteered_task_nats",
        "zone_rule", "zones",
    ]  # fmt: skip
    assert document["settings"]["shares"] == []
    assert [cell["zone"] for cell in document["cells"]] == [cell.zone for cell in found.swept.cells]


def test_a_lens_reads_eight_layers_or_all_of_fewer_unless_they_are_named(session):
    assert list(read_through_lens(session, "code_reading").layers) == [0, 1, 2, 3]
    named = read_through_lens(session, "code_reading", layers=[2], top=3)
    assert len(named.layers[2].promoted) == 3


def test_domains_that_were_extracted_before_an_interruption_are_not_extracted_again(
    session, tmp_path, monkeypatch
):
    names, asked, real = ["bug_analysis", "code_reading", "django_web"], [], extracting.extract
    whole = extract_vectors(session, names)

    def counted(model, prompts, **how):
        asked.append(prompts.domain)
        if asked == names[:2]:
            raise KeyboardInterrupt
        return real(model, prompts, **how)

    monkeypatch.setattr(extracting, "extract", counted)
    with pytest.raises(KeyboardInterrupt):
        extract_vectors(session, names, journal=Journal(tmp_path))
    again = extract_vectors(session, names, journal=Journal(tmp_path))
    assert (again, asked) == (whole, [*names[:2], *names[1:]])
    Path(whole[0].file).unlink()
    assert extract_vectors(session, names, journal=Journal(tmp_path)) == whole
    assert Path(whole[0].file).is_file()


def test_a_composition_says_what_each_turn_of_an_answer_was_steered_with(session):
    names = ["code_reading", "bug_analysis"]
    found = compose_domains(
        session, names, PROMPTS, modes=["weighted", "switch"], weights=[1, -0.5], tokens=2
    )
    one, other = (vector.alpha for vector in found.provenance.vectors)
    said = {each.name: [terms_of(turn) for turn in each.steering] for each in found.conditions}
    assert said["unsteered"] == [()]
    (both,) = said["weighted"]
    assert [term.strength.value for term in both] == pytest.approx([one, -other / 2], rel=1e-3)
    assert [[term.vector for term in turn] for turn in said["switch"]] == [["code_reading"], ["bug_analysis"]]


def test_one_domain_is_no_composition(session):
    with pytest.raises(UnfitAnalysis, match="two different domains"):
        compose_domains(session, ["code_reading"], PROMPTS)


def test_an_extracted_vector_is_kept_portrayed_exported_and_read_again(session, tmp_path):
    (made,) = extract_vectors(session, ["bug_analysis"])
    folder = session.settings.cache / "vectors"
    assert made.file in [each.file for each in kept_vectors(folder) if each.domain == "bug_analysis"]
    seen = portrait(session, made.file, layer=2)
    assert (seen.sha256, seen.shown_layer) == (made.sha256, 2)
    assert "bug_analysis" not in seen.cosine
    written = export_to(session, made.file, "gguf", tmp_path / "theirs.gguf", layers=[2], alpha=3.0)
    assert [(row.layer, row.alpha) for row in written.layers] == [(2, 3.0)]
    again = import_from(session, tmp_path / "theirs.gguf", "gguf", "mine", tmp_path / "mine.safetensors")
    assert (again.domain, again.layers, again.alpha) == ("mine", (2,), pytest.approx(3, abs=1e-3))
    assert portrait(session, again.file, layer=2).cosine["bug_analysis"] == pytest.approx(1, abs=1e-5)


def test_an_unknown_domain_is_told_before_a_model_is_loaded(tmp_path):
    settings = Settings(cache=tmp_path, model=str(tmp_path / "no model"))
    with Session(settings, progress=silent) as session, pytest.raises(PromptSetError, match="poetry"):
        extract_vectors(session, ["poetry"])
