"""Losses of an encoder and a decoder under a latent action, of any architecture and array library.

encode : inputs (n, ...) -> latents (n, dim).  decode : latents -> inputs.  action : a ``LatentAction``, or anything
with ``act`` and ``inverse``.  x1, x2 : the two inputs of each pair, (n, ...).  g : one element for each, x2 = g x1.
Every loss is a number of that library, the mean over pairs, in units of |x|^2 or |z|^2; gradients pass through.
Jin, Shrivastava & Fletcher, NeurIPS 2024; the masks: Swarnali et al. 2025, arXiv:2512.04015.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mfsym.errors import MfsymError
from mfsym.schemes.arrays import Array, as_numpy, namespace

Map = Callable[[Array], Array]

COLLAPSED = 0.05
"""A mask whose mean is within this of 0 or of 1 has collapsed."""


class Moves(Protocol):
    """What a loss needs of an action."""

    def act(self, g: Any, z: Array) -> Array:
        """rho_g z."""

    def inverse(self, g: Any, z: Array) -> Array:
        """rho_g^-1 z."""


def restriction(encode: Map, decode: Map, action: Moves, x1: Array, x2: Array, g: Any) -> Array:
    """mean of |x2 - D rho_g E x1|^2 + |x1 - D rho_g^-1 E x2|^2.

    Unchanged by (E, D) -> (Q E, D Q^T) for every orthogonal Q that commutes with rho.
    """
    ahead = decode(action.act(g, encode(x1)))
    back = decode(action.inverse(g, encode(x2)))
    return _mean_square(ahead, x2) + _mean_square(back, x1)


def consistency(encode: Map, decode: Map, action: Moves, x1: Array, x2: Array, g: Any) -> Array:
    """mean of |rho_g E x1 - E x2|^2: 0 where the encoder is equivariant. Usual weight .02."""
    return _mean_square(action.act(g, encode(x1)), encode(x2))


def cycle(encode: Map, decode: Map, action: Moves, x1: Array, x2: Array, g: Any) -> Array:
    """mean of |z - E D z|^2 at z = rho_g E x1: 0 where the encoder reads what the decoder draws. Usual weight 1e-4."""
    z = action.act(g, encode(x1))
    return _mean_square(z, encode(decode(z)))


class MaskedAction:
    """m rho_g z + (1 - m) z: a learned mask m chooses the latents that vary.

    action : the LatentAction of all latents.  logits : (dim,) of m = sigmoid(logits), an array of the caller's library.
    An action only where m is 0 or 1 and constant on every plane. Masks collapse easily: see ``collapse``.
    """

    def __init__(self, action: Any, logits: Array) -> None:
        if tuple(logits.shape) != (action.dim,):
            raise MfsymError(f"a mask must have one logit for each of {action.dim} latents, got {tuple(logits.shape)}")
        self.action, self.dim = action, action.dim
        self.mask = 1.0 / (1.0 + namespace(logits).exp(-logits))

    def act(self, g: Any, z: Array) -> Array:
        """m rho_g z + (1 - m) z."""
        return z + self.mask * (self.action.act(g, z) - z)

    def inverse(self, g: Any, z: Array) -> Array:
        """m rho_g^-1 z + (1 - m) z."""
        return z + self.mask * (self.action.inverse(g, z) - z)

    def collapse(self) -> str:
        """ "invariant" if the mask lets no latent vary, "varying" if it keeps none, "" if it did not collapse."""
        mean = float(as_numpy(self.mask).mean())
        return "invariant" if mean < COLLAPSED else "varying" if mean > 1.0 - COLLAPSED else ""


def masking(encode: Map, decode: Map, action: MaskedAction, x1: Array, x2: Array, g: Any) -> Array:
    """mean of |(1 - m) (E x1 - E x2)|^2 + sum m (1 - m): what is kept agrees in a pair, and the mask decides.

    m = 1 everywhere makes it 0: it does not prevent collapse.
    """
    xp = namespace(action.mask)
    kept = (1.0 - action.mask) * (encode(x1) - encode(x2))
    return _mean_square(kept, xp.zeros_like(kept)) + xp.sum(action.mask * (1.0 - action.mask))


def _mean_square(a: Array, b: Array) -> Array:
    """The mean over rows of |a - b|^2."""
    if tuple(a.shape) != tuple(b.shape):
        raise MfsymError(f"a loss compares arrays of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    xp, difference = namespace(a), a - b
    return xp.sum(difference * difference) / a.shape[0]
