"""Neuronpedia over HTTP: features one by one, kept on the disk; no faster than it allows; vectors published.

Routes, fields and limits are those of hijohnnylin/neuronpedia (apps/webapp/app/api, middleware.ts).
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx
from pydantic import BaseModel, JsonValue, ValidationError

from orchestrator.errors import OrchestratorError
from orchestrator.lab.neuronpedia_rows import ADDRESS, Explanation, Feature
from vectors.files import write_atomic

KEY = "NEURONPEDIA_API_KEY"
"""The variable that holds a user's key; only publishing needs one."""
_PER_HOUR = {"feature": 25_000, "search": 200, "vector": 200}
_TRIES = 6
_TIMEOUT_S = 30.0
_MOST_BYTES = 32 << 20
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)


class NeuronpediaError(OrchestratorError):
    """Neuronpedia cannot be reached, refuses, or answers what is no feature."""


class MissingKey(NeuronpediaError, ValueError):
    """No key for what takes one."""


class UnknownFeature(NeuronpediaError, LookupError):
    """A model, source or index that Neuronpedia does not have."""


def check_key() -> str:
    """The user's key. Raises MissingKey."""
    if not (key := os.environ.get(KEY)):
        raise MissingKey(f"publishing needs a key of Neuronpedia: put it into the variable {KEY}")
    return key


def check_name(name: str) -> str:
    """The name itself. Raises UnknownFeature for one that can be no part of an address."""
    if not _NAME.fullmatch(name):
        raise UnknownFeature(
            f"{name[:80]!r} is no name at Neuronpedia: expected such as 20-gemmascope-res-16k"
        )
    return name


class _Result(BaseModel):
    description: str
    neuron: Feature


class _Found(BaseModel):
    results: list[_Result]


class Neuronpedia:
    """A client; leaving it closes its connections. `sleep` and `clock` are there for tests."""

    def __init__(
        self,
        cache: Path,
        address: str = ADDRESS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache, self._sleep, self._clock = cache / "neuronpedia", sleep, clock
        self._key = os.environ.get(KEY)
        self._http = httpx.Client(base_url=address, timeout=_TIMEOUT_S)
        self._next: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def feature(self, model: str, source: str, index: int) -> Feature:
        """A feature, from the disk where it was asked for before.

        Raises UnknownFeature and NeuronpediaError.
        """
        place = self._cache / check_name(model) / check_name(source) / f"{index}.json"
        if place.is_file():
            return _feature(place.read_bytes(), str(place))
        content = self._asked("feature", "GET", f"/api/feature/{model}/{source}/{index}")
        found = _feature(content, f"{model}/{source}/{index}")
        write_atomic(place, content)
        return found

    def search(self, model: str, sources: Sequence[str], query: str) -> list[Feature]:
        """At most 20 features whose explanations are nearest in meaning to a query of 3 characters or more.

        Raises NeuronpediaError.
        """
        body: dict[str, JsonValue] = {"modelId": check_name(model), "layers": [*sources], "query": query}
        content = self._asked("search", "POST", "/api/explanation/search", body)
        try:
            found = _Found.model_validate_json(content).results
        except ValidationError as error:
            raise NeuronpediaError(f"no answer to a search: {error.errors()[0]['msg']}") from None
        said = [Explanation(description=each.description) for each in found]
        return [
            each.neuron.model_copy(update={"explanations": (one,)})
            for each, one in zip(found, said, strict=True)
        ]

    def publish(
        self, model: str, layer: int, vector: list[float], label: str, strength: float
    ) -> dict[str, JsonValue]:
        """Make a vector public, as one that is added to what leaves block `layer`; what Neuronpedia answers.

        Raises NeuronpediaError without a key, and where it is refused.
        """
        check_key()
        body: dict[str, JsonValue] = {
            "modelId": check_name(model),
            "layerNumber": layer,
            "hookType": "resid-post",
            "vector": [*vector],
            "vectorDefaultSteerStrength": strength,
            "vectorLabel": label,
        }
        answer = json.loads(self._asked("vector", "POST", "/api/vector/new", body, again=False))
        if not isinstance(answer, dict):
            raise NeuronpediaError("Neuronpedia answered with something that is no object")
        return answer

    def _asked(
        self,
        kind: str,
        method: str,
        path: str,
        body: Mapping[str, JsonValue] | None = None,
        *,
        again: bool = True,
    ) -> bytes:
        """Ask in turn, and again after 1, 2, 4 … seconds where it is busy, or as long as it says.

        Not `again`, but for one that was told to wait: what was perhaps made must not be made twice.
        """
        headers = {"x-api-key": self._key} if self._key else {}
        reason = ""
        for attempt in range(_TRIES):
            self._wait(kind)
            pause = 2.0**attempt
            try:
                answer = self._http.request(method, path, json=body, headers=headers)
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    raise UnknownFeature(f"Neuronpedia has no {path.removeprefix('/api/')}")
                if answer.is_success and len(answer.content) <= _MOST_BYTES:
                    return answer.content
                reason = f"{answer.status_code} {answer.text[:200]}".strip()
                if answer.status_code not in (429, 500, 502, 503, 504):
                    break
                if (said := answer.headers.get("retry-after", "")).isdigit():
                    pause = max(pause, min(float(said), 3600.0))
            if not again and not reason.startswith("429"):
                break
            if attempt + 1 < _TRIES:
                self._sleep(pause)
        raise NeuronpediaError(f"{self._http.base_url}{path.removeprefix('/')} cannot be had: {reason}")

    def _wait(self, kind: str) -> None:
        now = self._clock()
        due = self._next.get(kind, now)
        if due > now:
            self._sleep(due - now)
        self._next[kind] = max(due, now) + 3600 / _PER_HOUR[kind]


def _feature(content: bytes, where: str) -> Feature:
    try:
        return Feature.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        named = ".".join(map(str, first["loc"]))
        raise NeuronpediaError(f"{where} is no feature of Neuronpedia: {named} {first['msg']}") from None
