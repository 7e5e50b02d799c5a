"""Two rooms know a file's encoding: one reads its text, the other writes its bytes."""

from hypothesis import given
from hypothesis import strategies as st

from retrieval.decoding import decoded
from swebench.patches.source import encoded

LINES = st.sampled_from(
    [
        "# coding: {}",
        "# {} é",
        "#!/usr/bin/é -*- coding: {} -*-",
        "\x0c # vim: set fileencoding={} :",
        "",
        "x = 'éß'",
    ]
)
ENCODINGS = st.sampled_from(["latin-1", "utf-8", "cp1252", "iso-8859-15", "utf-7", "rot13", "none-such"])


@given(
    st.booleans(), st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=4), ENCODINGS
)
def test_the_bytes_of_a_text_are_those_that_it_was_read_from(mark, lines, encoding):
    text = "".join(line.format(encoding) + end for line, end in lines)
    for data in (text.encode(), text.encode("latin-1"), b"\xef\xbb\xbf" * mark + text.encode()):
        try:
            read = decoded(data)
        except (SyntaxError, UnicodeError, LookupError):
            continue
        assert encoded("a.py", read) == data
