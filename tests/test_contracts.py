"""The import contracts are worth what they catch: here each forbidden import is planted in a copy and seen.

What a contract of `pyproject.toml` says is taken apart into single imports, so that a new layer is tried
without a word here. HOUSE says the rules that must not leave `pyproject.toml` unnoticed.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in CONFIGURATION["contracts"]}
ROOMS = CONFIGURATION["root_packages"]

HOUSE = {
    "rooms": {
        "vectors": "retrieval swebench orchestrator services",
        "retrieval": "vectors swebench orchestrator services",
        "swebench": "vectors retrieval orchestrator services",
        "orchestrator": "services",
    },
    "vectors": {
        "vectors.engine": "vectors.formats",
        "vectors.domains": "vectors.calibration",
        "vectors.models": "vectors.engine",
        "vectors.measuring": "vectors.lab",
        "vectors.lab": "vectors.calibration",
        "vectors.calibration": "vectors.lab",
        "vectors.steering": "vectors.models",
        "vectors.errors": "vectors.statistics",
    },
    "swebench": {
        "swebench.patches": "swebench.data",
        "swebench.running": "swebench.grading",
        "swebench.data": "swebench.catalogue",
        "swebench.catalogue": "swebench.running",
    },
    "orchestrator": {
        "orchestrator.policy": "orchestrator.settings",
        "orchestrator.task": "orchestrator.batch orchestrator.cli",
        "orchestrator.repair": "orchestrator.task",
        "orchestrator.session": "orchestrator.task",
        "orchestrator.batch": "orchestrator.grading",
        "orchestrator.bench": "orchestrator.cli",
        "orchestrator.lab": "orchestrator.cli",
    },
    "services": {
        "services.store": "services.work",
        "services.work": "services.serving",
        "services.serving": "services.chat",
        "services.chat": "services.api",
        "services.api": "services.app",
        "services.app": "services.cli",
    },
    "only services": {
        "vectors": "fastapi",
        "retrieval": "starlette",
        "swebench": "sqlalchemy",
        "orchestrator": "uvicorn fastapi sqlalchemy starlette",
    },
    "only services.mcp": {
        "orchestrator": "mcp",
        "services.api": "mcp",
        "services.stdio": "mcp",
    },
    "only vectors": {
        "retrieval": "torch transformers",
        "swebench": "torch tokenizers",
        "services": "torch transformers",
        "orchestrator": "torch transformers safetensors",
    },
    "only the orchestrator": {
        "vectors": "langgraph",
        "retrieval": "langgraph",
        "swebench": "langgraph",
        "services": "langgraph",
    },
    "only command lines": {
        "vectors": "click rich",
        "retrieval": "click rich",
        "swebench": "click rich",
    },
}

Import = tuple[str, str]


def of_layers(contract: dict[str, Any]) -> list[Import]:
    """Every import that points up, and those between layers that stand beside each other with a bar."""
    planted = []
    for container in contract.get("containers", [""]):
        prefix = f"{container}." if container else ""
        layers = [
            ([prefix + name for name in re.split(r"\s*[|:]\s*", layer)], "|" in layer)
            for layer in contract["layers"]
        ]
        for (upper, _), (lower, _) in itertools.combinations(layers, 2):
            planted += itertools.product(lower, upper)
        for names, apart in layers:
            planted += itertools.permutations(names, 2) if apart else []
    return planted


def forbidden(contract: dict[str, Any]) -> list[Import]:
    """Every import that the contract forbids, from the top of a room or from a layer's own module."""
    if contract["type"] == "layers":
        return of_layers(contract)
    return list(itertools.product(contract["source_modules"], contract["forbidden_modules"]))


def said(rules: dict[str, str]) -> list[Import]:
    return [
        (importer, imported) for importer, all_of_them in rules.items() for imported in all_of_them.split()
    ]


class Copy:
    """The five packages and their contracts in a folder of their own, where forbidden imports do no harm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for room in ROOMS:
            shutil.copytree(
                ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "bundled")
            )
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "swebench" / "data" / "bundled").mkdir(exist_ok=True)

    def source(self, module: str) -> Path:
        path = self.folder.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def lint(self) -> tuple[int, str]:
        """Exit code and what was said, in one line: the command wraps its own to the terminal."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "COLUMNS": "100000", "NO_COLOR": "1"}
        run = subprocess.run(
            [
                sys.executable,
                "-c",
                "from importlinter.cli import lint_imports_command; lint_imports_command()",
            ],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return run.returncode, " ".join(run.stdout.split())

    def lint_with(self, planted: list[Import]) -> tuple[int, str]:
        before = {source: source.read_text() for source in {self.source(importer) for importer, _ in planted}}
        try:
            for importer, imported in planted:
                with self.source(importer).open("a") as file:
                    file.write(f"\nimport {imported}\n")
            return self.lint()
        finally:
            for source, text in before.items():
                source.write_text(text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("project"))


def arrow(text: str) -> Import:
    importer, _, imported = text.partition(" -> ")
    return importer, imported


def sections(report: str) -> dict[str, str]:
    """What is said of each broken contract, by its name."""
    headings = "|".join(re.escape(f"{name} ---") for name in CONTRACTS)
    _, *parts = re.split(f"({headings})", report.partition("Broken contracts")[2])
    return {name.removesuffix(" ---"): text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def missed(report: str, planted: list[Import]) -> list[Import]:
    """Planted imports that the report does not show with the line that they stand in."""
    return [pair for pair in planted if not re.search(rf"- {re.escape(' -> '.join(pair))} \(l\.\d+", report)]


def test_the_copy_passes_as_it_stands(copy):
    code, report = copy.lint()
    assert code == 0, report
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in report


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_import_that_a_contract_forbids_is_caught_under_its_name(copy, name):
    planted = forbidden(CONTRACTS[name])
    code, report = copy.lint_with(planted)
    assert code == 1
    assert f"{name} BROKEN" in report
    assert not missed(sections(report)[name], planted)


@pytest.mark.parametrize("rules", HOUSE)
def test_the_rules_of_the_house_are_among_what_is_caught(copy, rules):
    planted = said(HOUSE[rules])
    code, report = copy.lint_with(planted)
    assert code == 1
    broken = sections(report)
    (name,) = [each for each in broken if each.startswith(rules)]
    assert not missed(broken[name], planted)


@pytest.mark.parametrize("room", ["vectors", "swebench", "orchestrator", "services"])
def test_a_package_that_stands_in_no_layer_is_noticed(copy, room):
    lost = copy.folder / room / "lost"
    lost.mkdir()
    try:
        (lost / "__init__.py").write_text("")
        code, report = copy.lint()
    finally:
        shutil.rmtree(lost)
    assert code == 1
    assert f"{room}.lost" in report


def test_what_one_module_may_another_of_its_room_may_not(copy):
    exceptions = [each for contract in CONTRACTS.values() for each in contract.get("ignore_imports", [])]
    planted = [(importer.partition(".")[0], imported) for importer, imported in map(arrow, exceptions)]
    assert planted
    code, report = copy.lint_with(planted)
    assert code == 1
    assert not missed(report, planted)
