"""Text from models and repositories on its way to a terminal: it must not be able to drive it."""

_CONTROL = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    """The text with control characters, escape sequences' first bytes among them, replaced by a sign."""
    return text.translate(_CONTROL)
