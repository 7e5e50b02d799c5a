"""A domain of one's own is taken by everything that takes one of the project's."""

import json
from dataclasses import replace

import pytest

from orchestrator.calibration.calibrating import Asked, calibrated
from orchestrator.chat import Question, prepare, refuse_misfit
from orchestrator.lab.composition import compose_domains
from orchestrator.lab.diversity import measure_diversity
from orchestrator.lab.exchange import export_to, import_from
from orchestrator.lab.extracting import extract_vectors, make_domain
from orchestrator.lab.lenses import portrait, read_through_lens
from orchestrator.lab.sweeping import sweep_vector
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.domains.prompt_sets import PromptSetError, domain_names
from vectors.errors import TextSetError, VectorFileError
from vectors.progress import silent

PAIRS = [["I tell the truth", "I tell a tale"], ["It is so", "It may be so"], ["Yes, I did", "No, I slept"]]
TEXTS = [f"I must say that it was me, number {number}." for number in range(12)]
PROMPTS = ("Go on.", "Why?")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "honesty.json").write_text(json.dumps(PAIRS))
    (folder / "texts.json").write_text(json.dumps(TEXTS))
    return folder


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model, files):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        make_domain(session, files / "honesty.json", texts=files / "texts.json")
        yield session


def test_it_is_among_the_domains_and_its_vector_is_looked_up_not_made_again(session):
    assert session.vectors.domains.names() == sorted([*domain_names(), "honesty"])
    made = session.vectors.get(session.model, "honesty")
    assert made.metadata["prompts"] == "6"
    assert session.vectors.path(session.model, "honesty").is_file()
    (again,) = extract_vectors(session, ["honesty"])
    assert again.sha256 == made.sha256


def test_it_is_shown_read_swept_sampled_composed_and_asked_by_its_name(session):
    assert "code_reading" in portrait(session, "honesty").cosine
    assert "honesty" in portrait(session, "code_reading").cosine
    assert read_through_lens(session, "honesty", layers=[1]).provenance.vectors[0].domain == "honesty"
    swept = sweep_vector(session, "honesty", PROMPTS, layers=[1], shares=[0.5], tokens=2).swept
    assert swept.cells[0].task_nats.n == 2
    assert measure_diversity(session, "honesty", PROMPTS, samples=2, tokens=2).temperatures
    both = compose_domains(session, ["honesty", "code_reading"], PROMPTS, modes=["add"], tokens=2)
    assert set(both.conditions[0].hits) == {"code_reading"}, "it has no keywords"
    assert set(both.conditions[0].text_nats) == {"honesty", "code_reading"}
    question = Question("Hello.", domain="honesty")
    refuse_misfit(session.settings, question, silent)
    assert prepare(session, question).steering[0].name == "honesty"


def test_it_is_calibrated_in_front_of_open_requests(session):
    found = calibrated(session, Asked("honesty", "zero-shot", "likelihood", [0.1], [1]))
    assert found.situations > 1
    assert (found.proposal, found.certification) == (9, 9)  # one place: nothing to choose
    assert not found.certified


def test_it_is_exported_and_comes_back_as_an_imported_vector_of_another_name(session, tmp_path):
    export_to(session, "honesty", "gguf", tmp_path / "h.gguf", layers=[1])
    imported = import_from(session, tmp_path / "h.gguf", "gguf", "candour")
    assert read_through_lens(session, "candour", layers=[1]).provenance.vectors[0].sha256 == imported.sha256


def test_an_imported_vector_is_swept_without_texts_and_with_those_that_are_given(session, files, tmp_path):
    export_to(session, "code_reading", "gguf", tmp_path / "v.gguf", layers=[1])
    out = tmp_path / "v.safetensors"
    import_from(session, tmp_path / "v.gguf", "gguf", "elsewhere", out)
    settings = {"layers": [1], "shares": [0.5], "tokens": 2}
    bare = sweep_vector(session, str(out), PROMPTS, **settings)
    assert bare.swept.cells[0].task_nats is None
    bare.draw(tmp_path / "bare.svg")
    given = sweep_vector(session, str(out), PROMPTS, texts=files / "texts.json", **settings)
    assert given.swept.cells[0].task_nats.n == 2
    assert given.swept.cells[0].change_rate == bare.swept.cells[0].change_rate


def test_a_nodes_domain_can_be_replaced_in_a_library_of_ones_own_alone(session, files, tmp_path):
    with pytest.raises(PromptSetError, match="--domain"):
        make_domain(session, files / "honesty.json", name="code_reading")
    own = session.settings.model_copy(update={"vectors": tmp_path})
    ours = session.vectors.fingerprint(session.model, "code_reading")
    with Session(own, progress=silent) as mine:
        mine.model = session.model
        made = make_domain(mine, files / "honesty.json", name="code_reading")
        assert mine.vectors.get(mine.model, "code_reading").sha256 == made.sha256
        assert mine.vectors.fingerprint(mine.model, "code_reading") != ours
        assert session.vectors.fingerprint(session.model, "code_reading") == ours


def test_its_own_method_and_token_hold_wherever_it_is_asked_for(session, files):
    made = make_domain(session, files / "honesty.json", name="recipe", method="pca", token="mean")
    assert session.vectors.get(session.model, "recipe").sha256 == made.sha256
    vector = session.vectors.get(session.model, "recipe")
    assert (vector.metadata["method"], vector.metadata["token"]) == ("pca", "mean over content tokens")


def test_nothing_is_kept_of_a_domain_whose_files_are_wrong(session, files, tmp_path):
    (tmp_path / "few.json").write_text(json.dumps(TEXTS[:2]))
    with pytest.raises(TextSetError, match="at least 8"):
        make_domain(session, files / "honesty.json", name="unkept", texts=tmp_path / "few.json")
    assert "unkept" not in session.vectors.domains.names()


def test_of_several_imported_vectors_of_a_name_none_is_taken(session, tmp_path):
    for layer in (1, 2):
        export_to(session, "code_reading", "gguf", tmp_path / f"{layer}.gguf", layers=[layer])
        import_from(session, tmp_path / f"{layer}.gguf", "gguf", "twice")
    with pytest.raises(VectorFileError, match="2 vectors called twice"):
        session.vectors.get(replace(session.model), "twice")
