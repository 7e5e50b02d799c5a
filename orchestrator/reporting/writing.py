"""The three files of a report."""

import json
from pathlib import Path

from orchestrator.reporting.document import Report
from orchestrator.reporting.markdown import markdown
from orchestrator.reporting.page import page
from orchestrator.reporting.pictures import pictures
from orchestrator.reporting.sections import sections
from swebench.files import write_atomic


def write_report(report: Report, out: Path) -> list[Path]:
    """Write report.json, report.md and report.html into a folder, each whole or not at all; their paths."""
    title = f"{len(report['runs'])} run{'s' * (len(report['runs']) != 1)} on {report['dataset']['name']}"
    chapters = sections(report)
    texts = {
        "report.json": json.dumps(report, indent=2, ensure_ascii=False) + "\n",
        "report.md": markdown(title, chapters),
        "report.html": page(title, chapters, pictures(report)),
    }
    for name, text in texts.items():
        write_atomic(out / name, text)
    return [out / name for name in texts]
