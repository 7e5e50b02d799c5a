"""Settings of the machine: where things are, and what it works with when nobody says.

Precedence: defaults < orchestrate.toml in the working folder < ORCHESTRATE_* < command-line flags.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path
from pydantic import Field, JsonValue
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from orchestrator.errors import ConfigError, MixedRunError
from orchestrator.run_config import NO_POLICY
from vectors.suggestions import did_you_mean

_SHOWN_CHARS = 80


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
    vectors: Path | None = None
    """A folder of vector files to use instead of the cache's."""
    model: str = "smollm2-135m"
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    """auto: bfloat16 where the processor computes in it, else float32. Exactness claims hold for float32, and
    for int8, which needs a processor with AVX512-VNNI and AVX512-BF16, and a model of the Llama family."""
    threads: int | None = Field(default=None, ge=1)
    """Threads that the model computes with; by default what affinity, quota and OMP_NUM_THREADS give."""
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    serve: dict[str, JsonValue] = Field(default_factory=dict)
    """The table [serve], or ORCHESTRATE_SERVE__…: `services.settings` says what may stand there."""

    @property
    def library(self) -> Path:
        """The folder of vectors, and of domains of one's own."""
        return self.vectors or self.cache / "vectors"

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
        _refuse_unknown_variables(settings_cls)
        return init_settings, env_settings, _file(settings_cls)


def _file(settings: type[BaseSettings]) -> TomlConfigSettingsSource:
    """orchestrate.toml. Raises ConfigError for one that cannot be read."""
    named = settings.model_config["toml_file"]
    try:
        return TomlConfigSettingsSource(settings)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{named} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{named} is no TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{named} cannot be read: {error.strerror}") from None


def _refuse_unknown_variables(settings: type[BaseSettings]) -> None:
    """Raise ConfigError for an ORCHESTRATE_ variable that is no setting: a misspelt one would do nothing."""
    prefix = str(settings.model_config["env_prefix"])
    for variable in os.environ:
        name = variable.removeprefix(prefix).split("__")[0].lower()
        if variable.startswith(prefix) and name not in settings.model_fields:
            near = did_you_mean(name, settings.model_fields)
            raise ConfigError(f"the variable {variable} is no setting: unset it{near}")


def refuse_other_settings(
    found: Mapping[str, JsonValue], wanted: Mapping[str, JsonValue], folder: Path
) -> None:
    """Raise MixedRunError that names the settings in which a folder's manifest differs from this run."""
    if "policy" in found:
        raise MixedRunError(
            f"{folder} holds a run with policy {found['policy']!r}, made by an earlier version; {NO_POLICY}, "
            "and choose another --out"
        )
    if (kind := found.get("experiment")) != wanted.get("experiment"):
        held = f"the experiment {kind}" if kind else "a run"
        raise MixedRunError(f"{folder} holds {held}, another kind than this: choose another --out")
    there, here = _flat(found), _flat(wanted)
    different = sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))
    pairs = ", ".join(
        f"{key} is {_short(there.get(key))} there and {_short(here.get(key))} here" for key in different
    )
    raise MixedRunError(f"{folder} holds a run with other settings ({pairs}): choose another --out")


def _flat(settings: Mapping[str, JsonValue], before: str = "") -> dict[str, JsonValue]:
    flat: dict[str, JsonValue] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat


def _short(value: JsonValue) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
