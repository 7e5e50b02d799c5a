"""The errors of this room; one that is also a ValueError or LookupError says the caller's input was wrong."""


class RetrievalError(Exception):
    """Base of everything this room raises on purpose; the message is one line for the user."""


class GitFailed(RetrievalError):
    """A git command failed or took too long."""


class BadRepositoryName(RetrievalError, ValueError):
    """Not of the form owner/name."""


class RepositoryUnavailable(RetrievalError, LookupError):
    """The repository is in no mirror, not in the cache, and could not be cloned."""


class CommitMissing(RetrievalError, LookupError):
    """The repository does not hold the commit."""


class FileMissing(RetrievalError, LookupError):
    """The commit has no such file, or what stands there is not a regular file."""


class NotHere(RetrievalError, LookupError):
    """The clone lacks objects of the commit: it is a partial one, or damaged."""


class NotText(RetrievalError, ValueError):
    """The file is too large, or its bytes are not text in the encoding it declares."""


class NoPythonFiles(RetrievalError, ValueError):
    """The commit has no Python file outside its tests, so there is nothing to rank."""
