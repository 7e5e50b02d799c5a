"""How recently each file was changed before a commit: code under work is where bugs are reported."""

import math
from collections import defaultdict

from retrieval import gitio
from retrieval.errors import GitFailed
from retrieval.store import Repository

MAX_COMMITS = 1000
DECAY_DAYS = 90.0
_DAY_S = 86_400


def recency(repository: Repository, sha: str) -> dict[str, float]:
    """Path to the sum of exp(-age / 90 days) over the commits that changed it.

    Only `sha` and its ancestors count, the newest MAX_COMMITS of them; ages are counted from `sha` itself.
    Where the history cannot be read (a partial or damaged clone) nothing is known: the mapping is empty.
    """
    try:
        log = gitio.run(
            repository.git_dir, "log", "--no-renames", "--format=%x01%ct", "--name-only", "-z",
            f"--max-count={MAX_COMMITS}", sha, "--",
        )  # fmt: skip
    except GitFailed:
        return {}
    weights: dict[str, float] = defaultdict(float)
    newest: int | None = None
    for record in log.decode(errors="replace").split("\x01")[1:]:
        time, *paths = record.replace("\n", "\0").split("\0")
        newest = int(time) if newest is None else newest
        weight = math.exp(-max(newest - int(time), 0) / _DAY_S / DECAY_DAYS)
        for path in filter(None, paths):
            weights[path] += weight
    return weights
