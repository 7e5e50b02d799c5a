"""The text of a Python file: its bytes in the encoding that it declares (PEP 263), line ends as they are."""

import codecs
import tokenize


def decoded(data: bytes) -> str:
    """The text of a Python file, with its byte order mark, so that encoding it again gives the bytes.

    Raises UnicodeError, LookupError or SyntaxError for what is no text in the encoding it declares, UTF-8
    where it declares none, and UnicodeError for an encoding that does not give the same bytes back.
    """
    code = data.removeprefix(codecs.BOM_UTF8)
    # Letters in another encoding may stand beside its name, which the library would take for a fault; a
    # line may end with a carriage return alone.
    lines = (line.decode("latin-1").encode() for line in code.splitlines(keepends=True))
    encoding, _ = tokenize.detect_encoding(lambda: next(lines, b""))
    if code != data and encoding != "utf-8":
        raise SyntaxError(f"its byte order mark says UTF-8, and it declares {encoding}")
    text = data.decode(encoding)
    if text.encode(encoding) != data:
        raise UnicodeError(f"{encoding} writes its text as other bytes")
    return text
