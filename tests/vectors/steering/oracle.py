"""What interventions do, written down once more: plain hooks on transformers' model, token by token.

No cache, no batch, no plan: the whole sequence is computed anew for each token.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import torch

from vectors.models.blocks import decoder_blocks
from vectors.models.residual import residual, with_residual
from vectors.steering.positions import (
    All,
    Both,
    Either,
    Generated,
    Last,
    Not,
    Prompt,
    Said,
    Special,
    TokenIs,
    Window,
)


def chosen(positions, place, token, layout):
    """Whether positions hold for one token."""
    n = layout.prompt_len
    match positions:
        case All():
            return True
        case Prompt():
            return place < n
        case Last():
            return place == n - 1
        case Generated(first, end):
            return place - n >= first and (end is None or place - n < end)
        case Window(first, last):
            first, last = (each + n if each is not None and each < 0 else each for each in (first, last))
            return first <= place and (last is None or place <= last)
        case TokenIs(id_):
            return token == id_
        case Special():
            return token in layout.special_ids
        case Said(role):
            said = any(turn.role == role and turn.start <= place < turn.end for turn in layout.turns)
            return said or (role == "assistant" and place >= n)
        case Not(other):
            return not chosen(other, place, token, layout)
        case Both(others):
            return all(chosen(each, place, token, layout) for each in others)
        case Either(others):
            return any(chosen(each, place, token, layout) for each in others)


def changed(intervention, h):
    """A residual [d_model] after an intervention."""
    alpha, vector = intervention.alpha, intervention.vector.to(h)
    if intervention.operation == "low_rank":
        d = len(h)
        rotation, weight, bias = vector[:, :d], vector[:, d : 2 * d], vector[:, -1]
        return h + alpha * (rotation.T @ (weight @ h + bias - rotation @ h))
    if intervention.operation == "feature":
        d = len(h)
        encoder, decoder, (bias, threshold) = vector[:d], vector[d : 2 * d], vector[2 * d :]
        before = encoder @ h + bias
        return h + (alpha - (before if before > threshold else 0.0)) * decoder
    u = vector / vector.norm()
    along = h @ u
    wanted = {
        "ablate": along - alpha * along,
        "replace": along * 0 + alpha,
        "cap": along.clip(max=alpha),
        "floor": along.clip(min=alpha),
        "clamp": along.clip(-abs(alpha), abs(alpha)),
        "add": along + alpha,
    }
    if intervention.operation == "multiply":
        return h * (1 + alpha * u)
    return h + (wanted[intervention.operation] - along) * u


def reading(probe, h):
    """Projection and cosine of a residual on a probe."""
    u = probe.vector.to(h) / probe.vector.to(h).norm()
    return float(h @ u), float(h @ u / h.norm())


@torch.inference_mode()
def logits_of(model, ids: Sequence[int], steering, layout, found: dict | None = None) -> torch.Tensor:
    """Logits [tokens, vocab] of a sequence; `found` takes what each condition read, by place."""
    held: dict[tuple[int, int], bool] = {}
    notes: Mapping = {} if found is None else found

    def hook(layer):
        def steer(_block, _args, output):
            hidden = residual(output, 1).clone()[0]
            for number, each in enumerate(steering):
                if each.when and each.when.probe.layer == layer:
                    for place in range(len(ids)):
                        value = reading(each.when.probe, hidden[place])[each.when.measure == "cosine"]
                        held[number, place] = (value > each.when.threshold) == each.when.above
                        notes[number, place] = value - each.when.threshold
            for number, each in enumerate(steering):
                if each.layer == layer:
                    for place, token in enumerate(ids):
                        if chosen(each.positions, place, token, layout) and held.get((number, place), True):
                            hidden[place] = changed(each, hidden[place])
            return with_residual(output, hidden.unsqueeze(0), 1)

        return steer

    layers = {each.layer for each in steering} | {each.when.probe.layer for each in steering if each.when}
    with ExitStack() as stack:
        for layer in layers:
            handle = decoder_blocks(model)[layer].register_forward_hook(hook(layer))
            stack.callback(handle.remove)
        return model(input_ids=torch.tensor([list(ids)])).logits[0]


def greedy(model, prompt_ids, steering, layout, new, found=None):
    """New tokens, the likeliest each, and how far ahead each was of the next one."""
    ids, margins = list(prompt_ids), []
    for _ in range(new):
        best = logits_of(model, ids, steering, layout, found)[-1].topk(2)
        ids.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    return ids[len(prompt_ids) :], margins
