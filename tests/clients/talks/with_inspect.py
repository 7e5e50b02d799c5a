"""Inspect: evaluations with tools, and their own reading of the answers."""

import os
import tempfile

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, system_message, use_tools
from inspect_ai.tool import tool
from telling import KEY, MODEL, QUESTION, STEERING, URL, tried

os.environ |= {"OURS_BASE_URL": f"{URL}/v1", "OURS_API_KEY": KEY}
folder = tempfile.mkdtemp()


@tool
def weather():
    async def execute(town: str):
        """The weather in a town.

        Args:
            town: Name of the town.
        """
        return f"rain in {town}"

    return execute


def evaluated(solver, config, **arguments):
    """How the only sample of an evaluation went."""
    task = Task(dataset=[Sample(QUESTION, target="e")], solver=solver, scorer=includes(), message_limit=8)
    model = get_model(f"openai-api/ours/{MODEL}", config=config, memoize=False, **arguments)
    (log,) = eval(task, model=model, log_dir=folder, display="none")
    assert log.status == "success", log.error
    (sample,) = log.samples
    assert sample.error is None, sample.error
    return sample


short = {"temperature": 0.0, "max_tokens": 60}


@tried("an evaluation")
def _():
    sample = evaluated([system_message("Be brief."), generate()], GenerateConfig(**short))
    return sample.output.completion


@tried("an evaluation with tools")
def _():
    sample = evaluated([use_tools(weather()), generate()], GenerateConfig(**short))
    return sample.output.stop_reason


@tried("a tool that has to be called, and its result")
def _():
    solver = [use_tools(weather(), tool_choice="any"), generate(tool_calls="single")]
    sample = evaluated(solver, GenerateConfig(**short | {"max_tokens": 200}))
    kinds = [message.role for message in sample.messages]
    assert "tool" in kinds, kinds
    return sample.messages[kinds.index("tool")].text


@tried("scores of the likeliest tokens")
def _():
    sample = evaluated([generate()], GenerateConfig(**short, logprobs=True, top_logprobs=2))
    return len(sample.output.choices[0].logprobs.content)


@tried("several answers, a seed and penalties")
def _():
    sample = evaluated([generate()], GenerateConfig(
        max_tokens=20, temperature=1.0, num_choices=2, seed=1, frequency_penalty=0.5, stop_seqs=["\n\n"],
    ))  # fmt: skip
    return len(sample.output.choices)


@tried("steered")
def _():
    sample = evaluated([generate()], GenerateConfig(**short, extra_body={"steering": STEERING}))
    return sample.output.completion


@tried("streamed")
def _():
    return evaluated([generate()], GenerateConfig(**short), stream=True).output.completion


@tried("by responses")
def _():
    return evaluated([generate()], GenerateConfig(**short), responses_api=True).output.completion
