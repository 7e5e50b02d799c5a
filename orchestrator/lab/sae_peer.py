"""Training autoencoders beside SAELens, collection included, side by side: what `bench sae` does.

Both sides get the same contexts, block, architecture, size, batch, learning rate and dtypes: a model in the
machine's best dtype, products of training in bfloat16 where that is it, weights in float32. Each phase's
seconds are divided by the tokens that it has seen, since the peer collects a buffer that it does not train on
and we hold residuals out. Neither side's saving is timed.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from orchestrator.lab.documents import Documents
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.bench.peer_saelens import VERSION, SaeLens
from vectors.bench.saelens_driver import Setting, Timing
from vectors.lab.sae.collecting import Plan, collect
from vectors.lab.sae.learner import Recipe
from vectors.lab.sae.training import begun
from vectors.models.loading import LanguageModel, pull
from vectors.threads import in_own_thread

TARGET = 2.5


class SideRates(Record):
    """Tokens a second of one side: in both phases, and all in all."""

    collect: float
    train: float
    whole: float


class SaeBench(Record):
    """Ratios of tokens a second, a pair for each repetition; `value` is their median."""

    model: str
    dtype: str
    layer: int
    d_sae: int
    k: int
    batch: int
    context: int
    tokens: int
    peer: str
    load_average: float
    ours: tuple[SideRates, ...]
    theirs: tuple[SideRates, ...]
    ratios: tuple[float, ...]
    value: float
    target: float = TARGET


def beside_sae_lens(
    session: Session,
    corpus: Sequence[str],
    *,
    layer: int | None = None,
    k: int = 32,
    width: int = 8,
    tokens: int = 65_536,
    context: int = 256,
    batch: int = 4096,
    repeats: int = 3,
) -> SaeBench:
    """Time both sides in turn, each repetition on the same `tokens` of the corpus, after a short one.

    Raises TextSetError, InvalidRow and UnfitAnalysis for a corpus, PeerUnavailable where SAELens is missing
    or fails, and what keeps a model from being opened.
    """
    lm, cache, progress = session.model, session.settings.cache, session.progress
    load, dtype = os.getloadavg()[0], str(lm.dtype).removeprefix("torch.")
    layer = lm.n_layers // 2 if layer is None else layer
    texts = Documents(corpus, cache, progress)
    recipe = Recipe("topk", width * lm.d_model, k, batch_tokens=batch)
    setting: Setting = {
        "folder": str(pull(session.settings.model, cache=cache, progress=progress)),
        "dtype": dtype,
        "layer": layer,
        "d_model": lm.d_model,
        "d_sae": recipe.d_sae,
        "k": k,
        "batch": batch,
        "learning_rate": recipe.learning_rate,
    }
    ours, theirs = [], []
    with SaeLens(cache, setting) as peer, tempfile.TemporaryDirectory() as scratch:
        for number in range(-1, repeats):
            progress("beside SAELens", max(number, 0), repeats)
            asked = tokens if number >= 0 else 2 * batch
            folder = Path(scratch, str(number))
            mine = in_own_thread(_timed, lm, texts, Plan(texts.sha256, layer, asked, context), recipe, folder)
            its = peer.train(folder)
            if number >= 0:
                ours.append(_rates(mine))
                theirs.append(_rates(its))
    progress("beside SAELens", repeats, repeats)
    ratios = [round(mine.whole / its.whole, 3) for mine, its in zip(ours, theirs, strict=True)]
    return SaeBench(
        model=lm.model_id,
        dtype=dtype,
        layer=layer,
        d_sae=recipe.d_sae,
        k=k,
        batch=batch,
        context=context,
        tokens=tokens,
        peer=f"sae-lens {VERSION}",
        load_average=round(load, 2),
        ours=tuple(ours),
        theirs=tuple(theirs),
        ratios=tuple(ratios),
        value=median(ratios),
    )


def _timed(lm: LanguageModel, texts: Documents, plan: Plan, recipe: Recipe, folder: Path) -> Timing:
    started = time.perf_counter()
    collection = collect(lm, texts, plan, folder)
    collected = time.perf_counter()
    batches, learner = begun(lm, collection, recipe)
    for hidden in batches.following(0):
        learner.step(hidden)
    return {
        "collect_s": collected - started,
        "collected": collection.tokens,
        "train_s": time.perf_counter() - collected,
        "trained": batches.tokens,
    }


def _rates(timing: Timing) -> SideRates:
    collect_s = timing["collect_s"] / timing["collected"]
    train_s = timing["train_s"] / timing["trained"]
    rates = (1 / collect_s, 1 / train_s, 1 / (collect_s + train_s))
    return SideRates(
        **dict(zip(("collect", "train", "whole"), (round(each, 1) for each in rates), strict=True))
    )
