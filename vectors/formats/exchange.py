"""Domain vectors out to a file of any format, and in from one."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from vectors.domains import defaults, library
from vectors.domains.domain_vector import DomainVector
from vectors.domains.extraction import extract
from vectors.domains.prompt_sets import domain_names, load_prompt_set
from vectors.errors import NotExpressible, VectorFileError
from vectors.formats.checks import check_suffix
from vectors.formats.registry import OWN, format_of
from vectors.formats.steering_files import check, read, write
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.steering.intervention import Intervention

_NORMS_FROM = "code_reading"
"""The prompts on which norms and spreads are measured for a domain that has none of its own."""
_UNKNOWN = {"token": "unknown", "tokens_read": "[]", "prompt_set_sha256": "unknown", "prompts": "0"}
"""What the metadata of an extracted vector tells and another tool's file does not."""


def export_vector(
    vector: DomainVector,
    lm: LanguageModel,
    name: str,
    path: Path,
    *,
    layers: Sequence[int] | Literal["all"] = (),
    alpha: float | None = None,
    mode: str = "add",
) -> list[Intervention]:
    """Write a vector into a file of the format `name` and return what the file says, by layer.

    No layers mean the vector's default one, "all" those that the format can name and the vector has. `alpha`
    is absolute; without it each layer gets the share of its spread that the vector has at its own. The
    project's own format holds every layer whatever is chosen: one layer and α become its defaults. Raises
    NotExpressible for what the format cannot say, SteeringMismatch for a layer that the vector or the model
    lacks.
    """
    try:
        if name == OWN:
            return [_export_own(vector, lm, path, [] if layers == "all" else layers, alpha, mode)]
        if layers == "all":
            first = format_of(name).first_layer
            layers = [layer for layer in range(first, lm.n_layers) if vector.directions[layer].any()]
        layers = layers or [vector.default_layer]
        steerings = [vector.intervention(layer, 1.0 if alpha is None else alpha, mode) for layer in layers]
        check(name, path, steerings, lm)  # before a strength is measured
        if alpha is None:
            share = vector.relative_alpha(vector.intervention(operation=mode))
            shares = [vector.at_share(layer, share, mode) for layer in layers]
            steerings = [dataclasses.replace(e, alpha=a) for e, a in zip(steerings, shares, strict=True)]
        write(name, path, steerings, lm)
    except OSError as error:
        raise VectorFileError(f"{path} cannot be written: {error.strerror}; choose another file") from error
    return steerings


def _export_own(
    vector: DomainVector,
    lm: LanguageModel,
    path: Path,
    layers: Sequence[int],
    alpha: float | None,
    mode: str,
) -> Intervention:
    if mode != "add":
        raise NotExpressible(f"{OWN} keeps the α of mode add only, not of {mode}; export mode add")
    if len(layers) > 1:
        raise NotExpressible(f"{OWN} holds every layer and one default, not {len(layers)}; name one layer")
    steering = vector.intervention(layers[0] if layers else None, alpha)
    steering.validate(lm.n_layers, lm.d_model)
    check_suffix(path, (f".{OWN}",))
    library.save(
        dataclasses.replace(vector, default_layer=steering.layer, default_alpha=steering.alpha), path
    )
    return steering


def import_vector(
    path: Path, lm: LanguageModel, name: str, domain: str | None, progress: Progress = silent
) -> DomainVector:
    """Read a file of the format `name` as a domain's vector for a model.

    The project's own files come as they are, renamed if a domain is given. Another tool's file needs one, and
    what it adds at strength 1 becomes the direction of its layer: a direction's norm is the file's α there.
    Layers that the file lacks are zero, and steering there is refused. The default layer is the file's
    nearest to the domain's own default, with the file's α. The residual's norms and spreads, which no such
    file has, are measured on the domain's prompts, or on those of `code_reading` for a domain without
    prompts. Raises VectorFileError for a file that is malformed or does not fit the model.
    """
    if name == OWN:
        vector = library.load(path, lm)
        facts = {"method": "unknown", **_UNKNOWN, **vector.metadata}
        facts |= {"source_method": facts["method"], **_origin(path, name)}
        return dataclasses.replace(vector, domain=domain or vector.domain, metadata=facts)
    if domain is None:
        raise VectorFileError(f"{path.name}: a file of the format {name} does not say its domain; name one")
    steerings = read(name, path, lm)
    directions = torch.zeros(lm.n_layers, lm.d_model)
    for steering in steerings:
        directions[steering.layer] = steering.delta()
    wanted = defaults.layer_for(domain, lm.n_layers)
    chosen = min(steerings, key=lambda steering: abs(steering.layer - wanted))
    prompts = load_prompt_set(domain if domain in domain_names() else _NORMS_FROM)
    measured = extract(lm, prompts, progress=progress)
    return DomainVector(
        domain=domain,
        directions=directions,
        residual_norms=measured.residual_norms,
        spreads=measured.spreads,
        default_layer=chosen.layer,
        default_alpha=abs(chosen.alpha),
        metadata={
            **measured.metadata,
            **_UNKNOWN,
            **_origin(path, name),
            "layers": json.dumps([steering.layer for steering in steerings]),
            "residual_norms_from": prompts.domain,
        },
    )


def _origin(path: Path, name: str) -> dict[str, str]:
    """Where a vector came from; with the file's hash as its method it can never pass for an extracted one."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"method": f"imported from {name}, sha256 {digest}", "source_file": path.name}
