"""OpenAI's own client."""

import json

from openai import OpenAI
from pydantic import BaseModel
from telling import KEY, MODEL, QUESTION, STEERING, TOOL, URL, tried

client = OpenAI(base_url=f"{URL}/v1", api_key=KEY)
turns = [{"role": "user", "content": QUESTION}]
settings = {"model": MODEL, "messages": turns, "temperature": 0, "max_tokens": 40}


class Town(BaseModel):
    name: str
    country: str


@tried("models")
def _():
    return client.models.list().data[0].id


@tried("chat")
def _():
    return client.chat.completions.create(**settings).choices[0].message.content


@tried("chat, streamed, is the same")
def _():
    chunks = client.chat.completions.create(**settings, stream=True, stream_options={"include_usage": True})
    *parts, last = list(chunks)
    text = "".join(part.choices[0].delta.content or "" for part in parts)
    assert text == client.chat.completions.create(**settings).choices[0].message.content
    return last.usage.completion_tokens


@tried("chat, steered, is another")
def _():
    moved = client.chat.completions.create(**settings, extra_body={"steering": STEERING})
    assert (
        moved.choices[0].message.content
        != client.chat.completions.create(**settings).choices[0].message.content
    )
    return moved.steering


@tried("parsed answer")
def _():
    asked = [{"role": "user", "content": "Name a town in Norway."}]
    answer = client.chat.completions.parse(
        model=MODEL, messages=asked, response_format=Town, max_tokens=100, temperature=0
    )
    return answer.choices[0].message.parsed


@tried("tool: call, result, answer")
def _():
    asked = [{"role": "user", "content": "What is the weather in Bergen?"}]
    call = {"tools": [TOOL], "model": MODEL, "temperature": 0, "max_tokens": 100}
    first = client.chat.completions.create(
        messages=asked, tool_choice="required", parallel_tool_calls=False, **call
    )
    (made,) = first.choices[0].message.tool_calls
    town = json.loads(made.function.arguments)["town"]
    result = {"role": "tool", "tool_call_id": made.id, "content": "rain"}
    more = client.chat.completions.create(messages=[*asked, first.choices[0].message, result], **call)
    assert more.choices[0].finish_reason in ("stop", "length", "tool_calls")
    return town


@tried("tool, streamed by the client's own reader")
def _():
    asked = [{"role": "user", "content": "What is the weather in Oslo?"}]
    with client.chat.completions.stream(
        model=MODEL, messages=asked, tools=[{**TOOL, "function": {**TOOL["function"], "strict": True}}],
        tool_choice={"type": "function", "function": {"name": "weather"}}, max_tokens=100, temperature=0,
    ) as stream:  # fmt: skip
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in kinds
    return final.choices[0].message.tool_calls[0].function.parsed_arguments


@tried("response")
def _():
    answer = client.responses.create(
        model=MODEL,
        instructions="Answer in one sentence.",
        input=QUESTION,
        max_output_tokens=40,
        temperature=0,
    )
    more = client.responses.create(
        model=MODEL, input=[*turns, *answer.output, {"role": "user", "content": "Why?"}], max_output_tokens=20
    )
    assert more.usage.input_tokens > answer.usage.input_tokens
    return answer.output_text


@tried("response, streamed and parsed")
def _():
    with client.responses.stream(
        model=MODEL, input="Name a town in Norway.", text_format=Town, max_output_tokens=100, temperature=0
    ) as stream:
        for _ in stream:
            pass
        return stream.get_final_response().output_parsed


@tried("text, with the scores of its prompt")
def _():
    answer = client.completions.create(
        model=MODEL, prompt="def mean(values):", echo=True, logprobs=1, max_tokens=1, temperature=0
    )
    return len(answer.choices[0].logprobs.tokens)
