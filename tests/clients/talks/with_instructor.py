"""Instructor: answers as pydantic models."""

import instructor
from instructor.core.exceptions import InstructorRetryException
from openai import OpenAI
from pydantic import BaseModel, Field
from telling import KEY, MODEL, STEERING, URL, tried


class Town(BaseModel):
    name: str = Field(max_length=40)
    country: str = Field(max_length=40)


asked = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Name a town in Norway."}],
    "response_model": Town,
    "max_retries": 0,
    "temperature": 0,
    "max_tokens": 200,
}


def client(mode):
    return instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key=KEY), mode=mode)


modes = instructor.Mode
for mode in (modes.TOOLS, modes.JSON_SCHEMA, modes.JSON, modes.MD_JSON):

    @tried(f"a model, by {mode.value}")
    def _(mode=mode):
        try:
            return client(mode).create(**asked)
        except InstructorRetryException as error:
            if mode in (modes.TOOLS, modes.JSON_SCHEMA):
                raise
            return f"answered in JSON of another form: {error.last_completion.choices[0].message.content!r}"


@tried("a model, streamed in part")
def _():
    towns = list(client(modes.TOOLS).create_partial(**asked))
    return towns[-1]


@tried("several models, by calls in one answer")
def _():
    several = client(modes.TOOLS).create_iterable(**asked)
    return len(list(several)) >= 1


@tried("a model, steered")
def _():
    return client(modes.TOOLS).create(**asked, extra_body={"steering": STEERING})
