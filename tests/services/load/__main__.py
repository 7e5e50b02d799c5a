"""`python -m tests.services.load kill --count 50`."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.services.load import crowd, kill, mixed, viewers

_PROGRAMS = {
    "kill": (kill.run, 50),
    "crowd": (crowd.run, 300),
    "mixed": (mixed.run, 500),
    "viewers": (viewers.run, 200),
}


def main() -> None:
    """Run one program and print its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=_PROGRAMS)
    parser.add_argument("--count", type=int, help="Kills, clients, requests or followers.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", help="Instead of the tiny one; with --cache.")
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    program, count = _PROGRAMS[chosen.program]
    model: dict[str, Any] = {"model": chosen.model, "cache": chosen.cache} if chosen.model else {}
    with tempfile.TemporaryDirectory() as folder:
        report = program(Path(folder), chosen.count or count, chosen.seed, **model)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
