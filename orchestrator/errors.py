"""The errors of this room.

One that is also a ValueError or LookupError means the caller's input was wrong.
"""


class OrchestratorError(Exception):
    """Base of everything this room raises on purpose; the message is one line for the user."""


class ConfigError(OrchestratorError, ValueError):
    """A setting or a combination of settings that cannot be run."""


class NothingMeasured(OrchestratorError):
    """No instance that was asked for could be measured; the reasons are in the message."""


class MixedRunError(OrchestratorError, ValueError):
    """The output folder holds a run with other settings."""
