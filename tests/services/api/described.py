"""What the API's description says of a stream, as something that events can be held against."""

from typing import Any

import httpx
from jsonschema import Draft202012Validator


def event_validator(http: httpx.Client, path: str = "/v1/tasks/{task_id}/events") -> Draft202012Validator:
    """A validator of the JSON in the data of one event of a stream."""
    document: dict[str, Any] = http.get("/openapi.json").json()
    told = document["paths"][path]["get"]["responses"]["200"]["content"]
    frame = told["text/event-stream"]["schema"]
    schema = {**frame["properties"]["data"]["contentSchema"], "components": document["components"]}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
