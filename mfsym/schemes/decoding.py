"""Autoregressive models with equizero: one view per context, chosen by the score of its whole decode.

The tokens are then the model's own decode of that view. Choosing a view anew at every token, or averaging the
distributions over views, gives sequences that are not a decode of any view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError
from mfsym.groups import Elements
from mfsym.schemes.actions import Action, Nodes
from mfsym.schemes.arrays import Array, as_numpy, like, namespace
from mfsym.schemes.symmetrisers import flattened, unflattened


@dataclass(frozen=True)
class Decoding:
    """Continued sequences.

    tokens : (B, t + length), contexts with their continuations, in the frame of the context.
    chosen : (B,), the group element whose view was read.
    scores : (B, K), the log-probability of the whole decode of each view, given its context.
    views : (B, K, t + length), the decode of every view, in its own frame.
    """

    tokens: Array
    chosen: Elements
    scores: Array
    views: Array


def decode(
    model: Callable[[Array], Any], action: Action, nodes: Nodes, elements: Elements, context: Array, length: int
) -> Decoding:
    """Decode every view of contexts (B, t) greedily; for each context choose the decode of largest log-probability.

    model : sequences (R, t) -> scores (R, V) of the next token.  action, nodes : on sequences, and at ``elements``.
    At equal scores the first view is read.
    """
    xp, count = namespace(context), len(elements)
    tokens = flattened(nodes.images(context))
    total = None
    for _ in range(as_whole(length, "length", 1)):
        scores = model(tokens)
        if scores.ndim != 2:
            raise MfsymError(f"the model must give scores (R, V) of the next token, got shape {tuple(scores.shape)}")
        best = xp.argmax(scores, axis=1)
        top = xp.max(scores, axis=1)
        logs = -xp.log(xp.sum(xp.exp(scores - top[:, None]), axis=1))
        total = logs if total is None else total + logs
        tokens = xp.concat([tokens, xp.astype(best, tokens.dtype)[:, None]], axis=1)
    views, sums = unflattened(tokens, count), unflattened(total, count)
    picks = as_numpy(sums).argmax(axis=1)
    places = like(count * np.arange(len(picks)) + picks, context)
    chosen = elements[picks]
    found = action.each(action.group.inverse(chosen), xp.take(tokens, places, axis=0))
    return Decoding(found, chosen, sums, views)
