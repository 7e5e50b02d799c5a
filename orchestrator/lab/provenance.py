"""What all experiments share: what they were measured on and with, how they are drawn, what they claim."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self, TypeAlias, cast

from matplotlib.figure import Figure
from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from orchestrator.lab.claims import Finding
from orchestrator.lab.items import Item
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section
from orchestrator.session import Session
from vectors.calibration.certificates import versions
from vectors.domains.domain_vector import DomainVector
from vectors.domains.heldout import Pair, domains_with_texts
from vectors.lab.figures.figures import save


class VectorSummary(Record):
    """Where and how strongly a vector steers by default, and its hash.

    `alpha` is absolute, `relative_alpha` its share of the residual's spread at the layer.
    """

    domain: str
    layer: int
    alpha: float
    relative_alpha: float
    sha256: str

    @classmethod
    def of(cls, vector: DomainVector) -> Self:
        """A vector's default steering, rounded."""
        steering = vector.intervention()
        return cls(
            domain=vector.domain,
            layer=steering.layer,
            alpha=round(steering.alpha, 4),
            relative_alpha=round(vector.relative_alpha(steering), 4),
            sha256=vector.sha256,
        )


class Provenance(Record):
    """What a result was measured on and with."""

    model: str
    model_revision: str | None
    model_digest: str
    dtype: str
    vectors: tuple[VectorSummary, ...]

    @classmethod
    def of(cls, session: Session, vectors: Sequence[DomainVector]) -> Self:
        """The session's model and these vectors."""
        model = session.model
        return cls(
            model=model.model_id,
            model_revision=model.revision,
            model_digest=model.digest,
            dtype=str(model.dtype).removeprefix("torch."),
            vectors=tuple(VectorSummary.of(vector) for vector in vectors),
        )


Facts: TypeAlias = Mapping[str, JsonValue]
"""What determines an experiment's figures, by name."""


def determinants(
    session: Session, experiment: str, of: Provenance, settings: Record, **data: JsonValue
) -> Facts:
    """All that determines an experiment on the session's model; `data` are digests of what was read."""
    model = session.model
    return {
        "experiment": experiment,
        **of.model_dump(mode="json"),
        "tokenizer_digest": model.tokenizer_digest,
        "template_date": model.chat.date,
        "settings": settings.model_dump(mode="json"),
        **data,
        "versions": cast("dict[str, JsonValue]", versions()),
    }


class Result(Record):
    """What an experiment found. `items` are kept in a file of their own, for people to look at."""

    items: Annotated[tuple[Item, ...], Field(exclude=True, repr=False)] = ()

    @property
    @abstractmethod
    def heading(self) -> str:
        """The first line of a table or figure."""

    @abstractmethod
    def figure(self) -> Figure:
        """The result as a picture."""

    @abstractmethod
    def section(self) -> Section:
        """The result as tables, under the heading, with what must be known to read them."""

    def findings(self) -> tuple[Finding, ...]:
        """What it says to the original's claims (`orchestrator.lab.claims`)."""
        return ()

    def draw(self, path: Path) -> None:
        """Write the picture as FILE.png or FILE.svg; equal results give equal files."""
        save(self.figure(), path)


class Analysis(Result):
    """A result on one model, whose provenance stands first and beside its own fields in JSON."""

    provenance: Provenance

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """No field of a result may hide one of its provenance in JSON."""
        super().__pydantic_init_subclass__(**kwargs)
        assert not cls.model_fields.keys() & Provenance.model_fields.keys()

    @model_serializer(mode="wrap")
    def _beside(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        own: dict[str, object] = dump(self)
        del own["provenance"]
        return self.provenance.model_dump() | own

    @property
    def heading(self) -> str:
        """The first line of a table or figure: vectors, model and dtype."""
        domains = ", ".join(vector.domain for vector in self.provenance.vectors)
        return f"{domains} on {self.provenance.model} ({self.provenance.dtype})"


def is_file(name: str) -> bool:
    """Whether a vector is named by its file."""
    return name.endswith(".safetensors")


def heldout_pairs(session: Session, name: str, texts: Path | None = None) -> Sequence[Pair]:
    """Pairs of held-out texts, those for proposals: of a file, else of a domain; none where it has none.

    Raises TextSetError.
    """
    domains = session.vectors.domains
    if texts is None and not (
        name in domains_with_texts() or (name in domains.names() and domains.load(name).texts)
    ):
        return ()
    return domains.heldout(name, texts).proposal


def vector_of(session: Session, name: str) -> DomainVector:
    """A domain's vector, an imported one by its name, or one from a file.

    Raises VectorFileError or PromptSetError.
    """
    if is_file(name):
        return session.vectors.load(Path(name), session.model)
    return session.vectors.get(session.model, name, progress=session.progress)
