"""Rows of both benchmarks, small and of our own."""

import json
from pathlib import Path


def gsm8k_file(folder: Path, count: int = 6) -> str:
    path = folder / "gsm8k.jsonl"
    rows = [
        {"question": f"A shelf holds {n} books and {n} more are added. How many?", "answer": f"#### {2 * n}"}
        for n in range(1, count + 1)
    ]
    return _written(path, rows)


def mmlu_pro_file(folder: Path, count: int = 4, domains: tuple[str, ...] = ("law", "math")) -> str:
    path = folder / "mmlu_pro.jsonl"
    rows = [
        {
            "question": f"Question {n} of {domain}?",
            "options": [f"option {place}" for place in range(3 + n % 8)],
            "answer_index": n % 3,
            "category": domain,
            "cot_content": f"A: Let's think step by step. The answer is ({'ABC'[n % 3]}).",
        }
        for domain in domains
        for n in range(count)
    ]
    return _written(path, rows)


def _written(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)
