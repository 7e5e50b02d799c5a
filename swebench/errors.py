"""The errors of this room, one class per thing a caller can react to.

Classes that also inherit ValueError or LookupError mean that the caller's input is at fault; the others mean
that the work itself failed.
"""


class SwebenchError(Exception):
    """Base of every error raised on purpose by this room."""


class InvalidRow(SwebenchError, ValueError):
    """A file of rows that cannot be read, or a row in it that is not an object or lacks what it must have."""


class InvalidTask(SwebenchError, ValueError):
    """A task whose columns break the rules that the rest of the system relies on."""


class UnknownDataset(SwebenchError, ValueError):
    """A name that is neither a data set's nor a readable file's."""


class DatasetUnavailable(SwebenchError):
    """A data set of the hub that could not be had."""


class UnknownInstance(SwebenchError, LookupError):
    """An instance id that the data set does not have."""


class CommitMissing(SwebenchError, LookupError):
    """A base commit that the repository does not have."""


class GitFailed(SwebenchError):
    """A git command that failed, or took too long."""


class UnsafePath(SwebenchError, ValueError):
    """A path that leaves the tree, touches git's own files, or cannot be written in a diff."""


class PatchDoesNotApply(SwebenchError, ValueError):
    """A patch that git refuses on the tree it is meant for."""


class NotGradeable(SwebenchError, ValueError):
    """An instance whose tests cannot be run in this environment."""


class NoTestsNear(SwebenchError, LookupError):
    """A repository without a test file that is near to what a patch changes."""


class EnvironmentUnavailable(SwebenchError):
    """An environment for tests, or the interpreter, package or engine it needs, that could not be had."""


class WrongEnvironment(EnvironmentUnavailable, ValueError):
    """An interpreter or environment that was named and is none."""


class NoTestCommand(SwebenchError, LookupError):
    """A project whose files do not say how it is tested."""
