"""The API's own description: what the framework makes of the routes, with the forms that it does not see."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from services.api.events import Closing
from services.api.problems import OPENAI_ROUTES, OpenAIError, Problem, documented
from services.store.telling import EVENT

Form: TypeAlias = TypeAdapter[Any]
_FORMS: dict[str, Form] = {
    "Problem": TypeAdapter(Problem),
    "OpenAIError": TypeAdapter(OpenAIError),
    "TaskEvent": EVENT,
    "Closing": TypeAdapter(Closing),
}
"""Of errors, and of what comes in a stream."""


def description(app: FastAPI, others: Mapping[str, Form]) -> dict[str, Any]:
    """The OpenAPI document, made once, with `others` of such forms, which doors above the API declare."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = found["components"]["schemas"]
        for name, form in {**_FORMS, **others}.items():
            own = form.json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
            schemas.update(own.pop("$defs", {}))
            schemas[name] = own
        for path, methods in found["paths"].items():
            for operation in methods.values():
                if path != "/live":  # all others need the store
                    trouble = documented(503, 507, openai=path.startswith(OPENAI_ROUTES))
                    operation["responses"] |= {
                        str(status): said
                        for status, said in trouble.items()
                        if str(status) not in operation["responses"]
                    }
                # What the framework says of 422 where a route says nothing: OpenAI's routes answer 400.
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        app.openapi_schema = found
    return app.openapi_schema
