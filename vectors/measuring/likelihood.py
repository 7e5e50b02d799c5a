"""How much likelier steerings make a domain's held-out texts than neutral ones.

Give it the pairs for proposals: what is chosen by looking at an analysis must be certified on others.
"""

from collections.abc import Sequence
from functools import partial

from vectors.domains.heldout import Pair
from vectors.engine.engine import Engine
from vectors.measuring.journal import Journal
from vectors.measuring.metrics import Observation, likelihood
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.steering.intervention import Steering


def answers(lm: LanguageModel, pair: Pair) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens of a pair's texts: answers, before which a prompt stands."""
    return tuple(lm.encode(pair.text, begins=False)), tuple(lm.encode(pair.neutral, begins=False))


def text_margins(
    engine: Engine,
    lm: LanguageModel,
    pairs: Sequence[Pair],
    prompts: Sequence[tuple[int, ...]],
    steerings: Sequence[Steering],
    journal: Journal,
    progress: Progress = silent,
) -> list[list[float]]:
    """Mean log-likelihood a token of a text of the domain − that of a neutral one, in nats, teacher-forced.

    [steerings][pairs]. The i-th pair is scored as two answers to the i-th of `prompts`; pairs or prompts that
    are left over are not used. A pair is a unit: under all steerings it has the same beginnings.
    """
    observations = [
        Observation(index, prompt, *answers(lm, pair))
        for index, (prompt, pair) in enumerate(zip(prompts, pairs, strict=False))
    ]
    makes = [partial(likelihood, engine, [each], steerings) for each in observations]
    by_pair = journal.each("scoring texts", makes, progress)
    return [[margins[0] for margins in column] for column in zip(*by_pair, strict=True)]
