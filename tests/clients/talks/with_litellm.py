"""LiteLLM, as agents call it."""

import json

import litellm
from pydantic import BaseModel
from telling import KEY, MODEL, QUESTION, STEERING, TOOL, URL, tried

turns = [{"role": "user", "content": QUESTION}]
settings = {
    "model": f"openai/{MODEL}", "api_base": f"{URL}/v1", "api_key": KEY, "temperature": 0, "max_tokens": 40,
}  # fmt: skip


class Town(BaseModel):
    name: str
    country: str


@tried("chat")
def _():
    return litellm.completion(messages=turns, **settings).choices[0].message.content


@tried("chat, streamed, is the same")
def _():
    chunks = litellm.completion(messages=turns, stream=True, **settings)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == litellm.completion(messages=turns, **settings).choices[0].message.content
    return len(text)


@tried("chat, steered")
def _():
    answer = litellm.completion(messages=turns, extra_body={"steering": STEERING}, **settings)
    return answer.choices[0].message.content


@tried("answer of a schema")
def _():
    asked = [{"role": "user", "content": "Name a town in Norway."}]
    answer = litellm.completion(messages=asked, response_format=Town, **settings | {"max_tokens": 100})
    return Town.model_validate_json(answer.choices[0].message.content)


@tried("tool: call, result, answer")
def _():
    asked = [{"role": "user", "content": "What is the weather in Bergen?"}]
    call = settings | {"tools": [TOOL], "max_tokens": 100}
    first = litellm.completion(messages=asked, tool_choice="required", **call).choices[0].message
    results = [{"role": "tool", "tool_call_id": made.id, "content": "rain"} for made in first.tool_calls]
    for handed in (first, first.model_dump()):
        assert litellm.completion(messages=[*asked, handed, *results], **call).choices
    return json.loads(first.tool_calls[0].function.arguments)


@tried("tool, streamed and put together again")
def _():
    asked = [{"role": "user", "content": "What is the weather in Bergen?"}]
    chunks = list(
        litellm.completion(
            messages=asked,
            tools=[TOOL],
            tool_choice="required",
            stream=True,
            **settings | {"max_tokens": 100},
        )
    )
    whole = litellm.stream_chunk_builder(chunks, messages=asked)
    return json.loads(whole.choices[0].message.tool_calls[0].function.arguments)


@tried("response")
def _():
    given = {name: value for name, value in settings.items() if name != "max_tokens"}
    answer = litellm.responses(input=QUESTION, max_output_tokens=40, **given)
    return answer.output[0].content[0].text


@tried("text")
def _():
    given = settings | {"model": f"text-completion-openai/{MODEL}"}
    return litellm.text_completion(prompt="def mean(values):", **given).choices[0].text
