"""How a request says what steers its answer."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from services.alternatives import way
from services.bodies import Body
from vectors.operations import OPERATIONS

_Finite = Annotated[float, Field(allow_inf_nan=False)]


def _known(mode: str) -> str:
    if mode not in OPERATIONS:
        raise ValueError(f"expected {' or '.join(OPERATIONS)}")
    return mode


class SteeringRequest(Body):
    """How the answer is steered: by a domain's vector, or by one that comes with the request.

    α is absolute, in units of the residual stream. With a `domain`, layer and α default to the vector's own;
    a `vector` [d_model] needs both. The operation `mode` changes the output of the block `layer` by α·v/‖v‖.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [way("domain", without=["vector"]), way("vector", "layer", "alpha", without=["domain"])]
        },
    )

    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] | None = None
    vector: Annotated[list[_Finite], Field(min_length=1, max_length=65_536)] | None = None
    layer: Annotated[int, Field(ge=0)] | None = None
    alpha: _Finite | None = None
    mode: Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*OPERATIONS]})] = "add"
    positions: Literal["all", "generated"] = "all"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.domain is None) == (self.vector is None):
            raise ValueError("name a domain or give a vector, and not both")
        if self.vector is not None and (self.layer is None or self.alpha is None):
            raise ValueError("a vector needs a layer and an alpha")
        return self
