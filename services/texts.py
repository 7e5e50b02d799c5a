"""What a text of a request must be, so that it can be stored, tokenized and sent back."""

from typing import Annotated

from pydantic import AfterValidator


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair; send whole characters") from None
    return text


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("it holds a NUL character; leave it out")
    return text


Text = Annotated[str, AfterValidator(_whole)]
"""Any text; JSON can spell characters that are none."""
StoredText = Annotated[Text, AfterValidator(_without_nul)]
"""A text for the store: PostgreSQL takes no NUL."""
