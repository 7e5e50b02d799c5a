"""An index that went through commits, and one that was made from nothing."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.search import Retriever

SOURCES = (
    "",
    "x = 1\n",
    "class Parser:\n    def parse_all(self, text):\n        return self.parse(text)\n",
    "def parse(text):\n    return Parser().parse_all(text)\n\n\ndef other(): pass\n",
    "def größe():\n    return 'größe 温度'\n",
    "print 'Python 2'\nclass Old:\n    def parse(self, (a, b)): exec a\n",
)
trees = st.dictionaries(st.sampled_from(["a.py", "pkg/parse.py", "pkg/b.py"]), st.sampled_from(SOURCES))
ISSUE = "Parser.parse_all loses the größe\n\n`parse` of pkg/parse.py is wrong"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(trees, min_size=2, max_size=4))
def test_an_index_that_went_through_commits_answers_as_one_made_from_nothing(workshop, changes):
    with TemporaryDirectory() as folder:
        work = workshop(Path(folder) / "work")
        commits = [work.commit({"start.py": "start = 1\n"} | files) for files in changes]
        through = Retriever(work.repository(), Path(folder) / "through")
        for number, commit in enumerate(commits):
            anew = Retriever(work.repository(), Path(folder) / str(number))
            one, other = (each.search(commit, ISSUE, top_k=50) for each in (through, anew))
            assert (one.hits, one.definitions, one.modules) == (other.hits, other.definitions, other.modules)
