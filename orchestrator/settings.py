"""Settings of the machine (where things are) and of a run (what determines its result).

Precedence: defaults < orchestrate.toml in the working folder < ORCHESTRATE_* < command-line flags.
"""

from pathlib import Path
from typing import Any, Literal

from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from orchestrator.errors import MixedRunError
from orchestrator.policy.policy import PolicyName, Variant


class Settings(BaseSettings):
    """Where this machine keeps things, and the defaults of flags that were not given."""

    model_config = SettingsConfigDict(
        env_prefix="ORCHESTRATE_",
        env_nested_delimiter="__",
        toml_file="orchestrate.toml",
        extra="forbid",
        frozen=True,
    )

    cache: Path = Field(default_factory=lambda: user_cache_path("orchestrate"))
    """Models, vectors, repository clones, indexes."""
    repos: Path | None = None
    """A folder that holds repositories as owner__name or owner__name.git."""
    runs: Path = Path("runs")
    """Where runs are written when --out is not given."""
    model: str = "smollm2-135m"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 where the processor computes in it, else float32. Exactness claims hold for float32."""
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    serve: dict[str, Any] = Field(default_factory=dict)
    """The table [serve], or ORCHESTRATE_SERVE__…: `services.settings` says what may stand there."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put orchestrate.toml below the environment."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


class RunConfig(BaseModel):
    """Everything a user can set that changes a run's result; two runs with equal configs are the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Variant = "adaptive"
    policy: PolicyName = "rule"
    """What the variant adaptive goes by: the rule, or the certificates of the vectors."""
    rag: bool = True
    widen: bool = False
    """Whether code_reading's findings are searched for beside the report."""
    few_shot: int = Field(default=0, ge=0)
    samples: int = Field(default=4, ge=1, le=16)
    """Sampled rewrites at each attempt on a body; an attempt on a line tries each of its tokens once."""
    edits: int = Field(default=120, ge=0, le=200)
    """Edits of the catalogue that the first attempt makes candidates of, where tests are run to choose among
    them; with 0 the model writes at once."""
    retries: int = Field(default=3, ge=0, le=8)
    """Further attempts, each on the next-best region, when no candidate passes validation."""
    run_tests: bool = False
    """Whether candidates must also pass the repository's existing tests."""
    seed: int = Field(default=0, ge=0, lt=2**31)

    issue_tokens: int = 1000
    """Budget of the issue's text in a prompt; the middle of a longer one is left out."""
    context_tokens: int = 1200
    """Budget of retrieved code in a prompt."""
    step_chars: int = 600
    """How much of an earlier node's answer a later node sees (the original's figure)."""
    answer_tokens: int = 128
    """Most new tokens of code_reading and of bug_analysis."""
    region_lines: int = 32
    """Longest region that patch_writing is asked to rewrite."""

    @field_validator("policy")
    @classmethod
    def _needs_something_to_decide(cls, policy: PolicyName, info: ValidationInfo) -> PolicyName:
        variant = info.data.get("variant")
        if policy == "evidence" and variant != "adaptive":
            raise ValueError(
                f"it decides for the variant adaptive, and {variant} leaves nothing to decide: "
                "leave one of the two out"
            )
        return policy


def refuse_other_settings(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    """Raise MixedRunError that names the settings in which a folder's manifest differs from this run."""
    different = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
    pairs = ", ".join(f"{key} is {found.get(key)!r} there and {wanted.get(key)!r} here" for key in different)
    raise MixedRunError(f"{folder} holds a run with other settings ({pairs}): choose another --out")
