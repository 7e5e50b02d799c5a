"""Formats by name: ours, and those of plug-ins under entry points of the group `orchestrate.vector_formats`.

A format's module, and with it torch, is imported when the format is used, not for its name.
"""

from typing import TYPE_CHECKING

from vectors.plugins import find, load

if TYPE_CHECKING:
    from vectors.formats.format import Format

GROUP = "orchestrate.vector_formats"
OWN = "safetensors"
"""The project's own files, those of `vectors.domains.library`: they hold whole vectors and need no Format."""
BUILT_IN = {
    "gguf": "vectors.formats.control_vectors:LLAMA_CPP",
    "lm-eval": "vectors.formats.lm_eval:FORMAT",
    "repeng": "vectors.formats.control_vectors:REPENG",
    "steering-vectors": "vectors.formats.steering_vectors:FORMAT",
    OWN: "vectors.domains.library",
}


def names() -> list[str]:
    """All formats that vectors go out to and come in from. Raises PluginError for a name taken twice."""
    return list(find(GROUP, BUILT_IN))


def format_of(name: str) -> "Format":
    """The format of a name other than OWN. Raises KeyError, and PluginError for a plug-in without use."""
    from vectors.formats.format import Format

    return load(find(GROUP, BUILT_IN)[name], Format)
