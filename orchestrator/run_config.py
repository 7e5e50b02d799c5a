"""What a user can set that changes a run's result: one description for flags, requests and manifests.

Each field is a flag of `solve` and `evaluate` (`orchestrator.cli.run_options`) and a field of a task over
HTTP; its description is the help text there and its bounds hold everywhere.
"""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from orchestrator.policy.variants import CERTIFIED, VARIANTS, known
from vectors.steering.terms import names_in

NO_POLICY = (
    "there is no policy beside the variant any more: use variant certified (--variant certified) for what "
    "policy evidence was, and leave policy rule out"
)


def _named(schema: dict[str, JsonValue]) -> None:
    schema["examples"] = list(VARIANTS)


def readable(steer: str) -> str:
    """The text itself, of a steering that names vectors of the library; else ValueError."""
    if not steer:
        return steer
    from vectors.steering.reading import terms_of

    for term in terms_of(steer):
        if any(name.endswith(".safetensors") for name in names_in((term,))):
            raise ValueError("a run names vectors of the library: import a file's first (vectors import)")
    return steer


Variant = Annotated[str, AfterValidator(known), Field(json_schema_extra=_named)]


class RunConfig(BaseModel):
    """Everything a user can set that changes a run's result; two runs with equal configs are the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Variant = Field(
        default="adaptive",
        description="When to steer: zero-shot prompts only (adaptive), never (baseline), always with one "
        "vector (static), always with each node's own (dynamic), or where a certificate of "
        "`vectors calibrate` shows that it helps (certified). A plug-in adds its own.",
    )
    steer: Annotated[str, AfterValidator(readable)] = Field(
        default="",
        max_length=4_000,
        description="What steers a prompt that is steered, in place of the vector's own layer and strength: "
        "docs/steering.md.",
    )
    rag: bool = Field(default=True, description="Show retrieved code to the model.")
    widen: bool = Field(default=False, description="Search with what the model says of the issue too.")
    few_shot: int = Field(
        default=0, ge=0, description="Worked examples in each prompt, those nearest to the issue."
    )
    samples: int = Field(
        default=4,
        ge=1,
        le=16,
        description="Sampled rewrites at each attempt on a body; an attempt on a line tries each of its "
        "tokens once.",
    )
    edits: int = Field(
        default=120,
        ge=0,
        le=200,
        description="Edits of the catalogue that the first attempt makes candidates of, where tests choose "
        "among them; with 0 the model writes at once.",
    )
    retries: int = Field(
        default=3,
        ge=0,
        le=8,
        description="Further attempts, each on the next-best region, when no candidate passes validation.",
    )
    run_tests: bool = Field(
        default=False, description="Candidates must pass the repository's existing tests too."
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of all sampling.")

    issue_tokens: int = Field(
        default=1000,
        ge=16,
        le=16_384,
        description="Budget of the issue's text in a prompt; the middle of a longer one is left out.",
    )
    context_tokens: int = Field(
        default=1200, ge=1, le=16_384, description="Budget of retrieved code in a prompt, in tokens."
    )
    step_chars: int = Field(
        default=600,
        ge=1,
        le=20_000,
        description="How much of an earlier node's answer a later node sees, in characters.",
    )
    answer_tokens: int = Field(
        default=128, ge=1, le=2048, description="Most new tokens of code_reading and of bug_analysis."
    )
    region_lines: int = Field(
        default=32,
        ge=1,
        le=400,
        description="Longest region that patch_writing is asked to rewrite, in lines.",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_policy(cls, data: Any) -> Any:
        if isinstance(data, dict) and "policy" in data:
            raise ValueError(NO_POLICY)
        return data

    @model_validator(mode="after")
    def _steered_in_one_way(self) -> Self:
        if self.steer and self.variant == CERTIFIED:
            raise ValueError("variant certified steers with what is certified: leave steer out")
        return self
