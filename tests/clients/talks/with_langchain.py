"""LangChain's ChatOpenAI."""

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel
from telling import KEY, MODEL, QUESTION, STEERING, URL, tried

settings = {"model": MODEL, "base_url": f"{URL}/v1", "api_key": KEY, "temperature": 0}
chat = ChatOpenAI(**settings, max_tokens=100)


class Town(BaseModel):
    """A town."""

    name: str
    country: str


@tool
def weather(town: str) -> str:
    """The weather in a town."""
    return f"rain in {town}"


@tried("chat")
def _():
    return chat.invoke([SystemMessage("Be brief."), HumanMessage(QUESTION)]).content


@tried("chat, streamed, is the same")
def _():
    text = "".join(chunk.content for chunk in chat.stream(QUESTION))
    assert text == chat.invoke(QUESTION).content
    return len(text)


@tried("chat, steered")
def _():
    moved = ChatOpenAI(**settings, max_tokens=40, extra_body={"steering": STEERING})
    return moved.invoke(QUESTION).content


@tried("a batch")
def _():
    return len(chat.batch([QUESTION, "Name a colour.", "Is 7 a prime?"]))


@tried("answer of a schema")
def _():
    return chat.with_structured_output(Town, method="json_schema").invoke("Name a town in Norway.")


@tried("answer of a schema, by a call")
def _():
    return chat.with_structured_output(Town, method="function_calling").invoke("Name a town in Norway.")


@tried("tool: call, result, answer")
def _():
    bound = chat.bind_tools([weather], tool_choice="required")
    asked = [HumanMessage("What is the weather in Bergen?")]
    answer = bound.invoke(asked)
    results = [
        ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls
    ]
    assert chat.bind_tools([weather]).invoke([*asked, answer, *results]).response_metadata["finish_reason"]
    return answer.tool_calls[0]["args"]


@tried("tool, streamed")
def _():
    whole = None
    for chunk in chat.bind_tools([weather], tool_choice="weather").stream("What is the weather in Oslo?"):
        whole = chunk if whole is None else whole + chunk
    return whole.tool_calls[0]["args"]


@tried("response")
def _():
    responses = ChatOpenAI(**settings, max_tokens=40, use_responses_api=True)
    text = "".join(block["text"] for block in responses.invoke(QUESTION).content)
    assert text == "".join(
        block["text"] for chunk in responses.stream(QUESTION) for block in chunk.content if "text" in block
    )
    return text


@tried("text")
def _():
    return OpenAI(**settings, max_tokens=20).invoke("def mean(values):")
