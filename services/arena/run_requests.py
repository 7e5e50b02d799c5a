"""What a run of the arena is asked for."""

from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from services.bodies import Body
from services.serving.steering import SteeringRequest
from services.texts import StoredText

MOST_COLUMNS = 6
MOST_NEW_TOKENS = 2048
MOST_ALTERNATIVES = 5
MOST_PROMPT_CHARS = 200_000
"""A prompt is kept with each run, whatever the model's context would hold."""


def _visible(name: str) -> str:
    if not name.strip():
        raise ValueError("it is empty; give it a name")
    if not name.isprintable():
        raise ValueError("it holds a control character or a line break; leave it out")
    return name


ColumnName = Annotated[StoredText, AfterValidator(_visible), Field(min_length=1, max_length=80)]


class Column(Body):
    """One answer to the prompt, with a `steering` as chats take it. Without one it is a baseline."""

    name: ColumnName
    steering: SteeringRequest = Field(default_factory=list)


class Asked(Body):
    """What runs and batches have in common. All columns draw with one seed; left out, it is drawn once.

    `chat` puts the prompt into the model's chat template. `alternatives` asks for so many of the likeliest
    tokens in the place of each.
    """

    model: StoredText | None = None
    columns: Annotated[list[Column], Field(min_length=1, max_length=MOST_COLUMNS)]
    chat: bool = True
    max_tokens: Annotated[int, Field(ge=1, le=MOST_NEW_TOKENS)] = 128
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0, le=10**6)] = 0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = None

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if len({column.name for column in self.columns}) < len(self.columns):
            raise ValueError("columns: two have one name; give each its own")
        return self


class RunRequest(Asked):
    """The body of POST /v1/arena/runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "smollm2-135m",
                    "prompt": "Why does a loop skip the last item?",
                    "columns": [
                        {"name": "baseline"},
                        {"name": "bugs", "steering": {"domain": "bug_analysis"}},
                    ],
                    "max_tokens": 16,
                }
            ]
        }
    )

    prompt: Annotated[StoredText, Field(min_length=1, max_length=MOST_PROMPT_CHARS)]
    alternatives: Annotated[int, Field(ge=0, le=MOST_ALTERNATIVES)] = 0
