"""Certificates in the cache: which instances' tests tell the gold patch from none on this machine.

A certificate is named by the instance's columns and by the environment, so another row or another environment
asks for another one. It keeps the logs of both runs beside it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from swebench.data.tasks import Instance
from swebench.files import write_atomic
from swebench.grading.suites import TestBed
from swebench.grading.verdicts import Proof, certify, suite_of
from swebench.patches.plumbing import Git

_RULES = 2
"""Part of each certificate's name: raise it when verdicts are found in another way."""


@dataclass(frozen=True)
class InstanceCertificate:
    """Whether an instance counts here; `seconds` are of the two test runs, `reason` says why it does not."""

    instance_id: str
    environment: str
    certified: bool
    gold_resolves: bool
    reason: str
    gold_seconds: float
    empty_seconds: float
    logs: str
    made_at: str

    @property
    def seconds(self) -> float:
        """Of both test runs."""
        return self.gold_seconds + self.empty_seconds


class Certificates:
    """The certificates in a cache folder."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "certificates"

    def of(
        self,
        instance: Instance,
        git: Git,
        *,
        test_bed: TestBed,
        timeout_s: float,
        fresh: bool = False,
    ) -> InstanceCertificate:
        """The certificate of an instance, made by two test runs when there is none yet, or with `fresh`.

        Raises what `swebench.grading.verdicts.grade` raises; nothing is stored then.
        """
        environment = suite_of(instance, git, test_bed).environment
        content = json.dumps([_RULES, asdict(instance), environment, timeout_s], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        folder = self._folder / f"{instance.instance_id}-{digest}"
        path = folder / "certificate.json"
        if path.is_file() and not fresh:
            return InstanceCertificate(**json.loads(path.read_text("utf-8")))
        proof = certify(instance, git, timeout_s=timeout_s, test_bed=test_bed)
        folder.mkdir(parents=True, exist_ok=True)
        for name, verdict in (("gold", proof.gold), ("empty", proof.empty)):
            (folder / f"{name}.log").write_text(verdict.log, "utf-8", "replace")
        stored = InstanceCertificate(
            instance_id=instance.instance_id,
            environment=environment,
            certified=proof.certified,
            gold_resolves=proof.gold_resolves,
            reason=_reason(proof),
            gold_seconds=proof.gold.seconds,
            empty_seconds=proof.empty.seconds,
            logs=str(folder),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_atomic(path, json.dumps(asdict(stored), indent=2))
        return stored


def _reason(proof: Proof) -> str:
    if not proof.gold_resolves:
        return f"not certified: the gold patch: {proof.gold.reason}"
    if not proof.empty_fails:
        return f"not certified: without a patch: {proof.empty.reason}"
    return "the gold patch resolves it, and without a patch its tests fail"
