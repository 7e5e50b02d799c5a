"""Simon Willison's `llm`, on its command line."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from telling import KEY, MODEL, QUESTION, URL, tried

folder = Path(tempfile.mkdtemp())
(folder / "extra-openai-models.yaml").write_text(
    json.dumps(
        [
            {
                "model_id": "ours", "model_name": MODEL, "api_base": f"{URL}/v1",
                "supports_schema": True, "supports_tools": True,
            },
            {"model_id": "ours-text", "model_name": MODEL, "api_base": f"{URL}/v1", "completion": True},
        ]
    )
)  # fmt: skip
settings = ("-o", "temperature", "0", "-o", "max_tokens", "60")


def llm(*arguments: str) -> str:
    """What the program prints."""
    surroundings = {**os.environ, "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": KEY}
    order = [str(Path(sys.executable).with_name("llm")), *arguments]
    done = subprocess.run(
        order, check=False, capture_output=True, text=True, env=surroundings, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip()


@tried("chat, streamed")
def _():
    return llm("-m", "ours", *settings, QUESTION)


@tried("chat, whole, is the same")
def _():
    whole = llm("-m", "ours", "--no-stream", *settings, QUESTION)
    assert whole == llm("-m", "ours", *settings, QUESTION)
    return len(whole)


@tried("a conversation goes on")
def _():
    return llm("-m", "ours", "-c", *settings, "Why?")


@tried("answer of a schema")
def _():
    return json.loads(llm("-m", "ours", "--schema", "name, country", *settings, "Name a town in Norway."))


@tried("tools offered")
def _():
    return llm(
        "-m",
        "ours",
        "-T",
        "llm_version",
        "-T",
        "llm_time",
        "--chain-limit",
        "3",
        *settings,
        "What time is it?",
    )


@tried("text")
def _():
    return llm("-m", "ours-text", *settings, "def mean(values):")
