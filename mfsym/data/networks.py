"""Import a trained network as a cloud of particles: from the weights of two layers to particles of a uv unit.

The uv unit computes Phi(x) = (1/N) sum_i v_i s(u_i . x / d) (``units.UVUnit``); frameworks compute y = W2 s(W1 x + b1)
+ b2. The two functions are equal when

    u_i = d W1[i, :],  v_i = N W2[:, i],      and with biases  u_i = (d + 1) (W1[i, :], b1[i]) on inputs (x, 1).

An output bias b2 belongs to no unit and is omitted. If s is homogeneous, many clouds give the same function (relu: (a
u, v / a) for a > 0); distances to symmetric laws are those of this particular cloud.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_choice, as_floats
from mfsym.configurations.names import CONVENTIONS
from mfsym.errors import MfsymError
from mfsym.typing import Floats
from mfsym.units import Unit, UVUnit

SHAPES = {"torch": "W1 (N, d) and W2 (c, N)", "keras": "W1 (d, N) and W2 (N, c)", "math": "W1 (N, d) and W2 (N, c)"}
"""How weights are laid out, by the names of CONVENTIONS.

math : rows u_i (N, d) and v_i (N, c) of a network that is written as the uv unit is; nothing is multiplied.
"""


def cloud_from_layers(w1: ArrayLike, w2: ArrayLike, b1: ArrayLike | None = None, convention: str = "torch") -> Floats:
    """Particles (N, d + c) of a uv unit with the function of a trained hidden layer; (N, d + 1 + c) with biases.

    w1, w2 : weights into and out of the hidden layer, in the layout ``convention`` (see CONVENTIONS).
    b1 : (N,) biases of the hidden layer, treated as weights of a constant input 1 on which the group acts trivially;
    see ``with_constant_input``. MfsymError unless the shapes match and all entries are finite.

    >>> cloud_from_layers([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]])
    array([[ 2.,  4., 10.],
           [ 6.,  8., 12.]])
    """
    as_choice(convention, "convention", CONVENTIONS)
    first, second = _weights(w1, "W1"), _weights(w2, "W2")
    into, out = _rows(first, second, convention)
    if len(into) != len(out):
        raise MfsymError(_layout_error(first, second, convention))
    n = len(into)
    if b1 is not None:
        biases = as_floats(b1, "b1")
        if biases.shape != (n,) or not np.isfinite(biases).all():
            raise MfsymError(f"b1 must hold {n} finite biases, one per hidden unit, got shape {biases.shape}")
        into = np.hstack([into, biases[:, None]])
    scales = (1.0, 1.0) if convention == "math" else (float(into.shape[1]), float(n))
    return np.hstack([scales[0] * into, scales[1] * out])


def clouds_from_blocks(blocks: Sequence[Sequence[ArrayLike]], convention: str = "torch") -> Floats:
    """Particles (L, N, p) of a trained residual network h <- h + W2 s(W1 h + b1) of L layers.

    blocks : L pairs (W1, W2) or triples (W1, W2, b1), all with the same shapes, laid out as in ``cloud_from_layers``.
    ``ResNetSGD`` divides each layer by L, so v_i is multiplied by L, except in the convention "math".
    """
    if not len(blocks):
        raise MfsymError("a residual network must have at least one block (W1, W2)")
    for number, block in enumerate(blocks, start=1):
        if len(block) not in (2, 3):
            raise MfsymError(f"a block must be (W1, W2) or (W1, W2, b1), got {len(block)} arrays in block {number}")
    layers = [
        cloud_from_layers(block[0], block[1], block[2] if len(block) == 3 else None, convention) for block in blocks
    ]
    if len({layer.shape for layer in layers}) > 1:
        raise MfsymError(f"blocks must have equal shapes, got clouds {', '.join(str(z.shape) for z in layers)}")
    clouds = np.stack(layers)
    if convention != "math":
        out = _rows(_weights(blocks[0][0], "W1"), _weights(blocks[0][1], "W2"), convention)[1].shape[1]
        clouds[:, :, -out:] *= len(layers)
    return clouds


def with_constant_input(unit: Unit) -> UVUnit:
    """The uv unit on inputs (x, 1): the unit of a cloud with biases. The group acts on x and fixes the constant."""
    return UVUnit(unit.activation, unit.rho_x + unit.rho_x.group.trivial(), unit.rho_y)


def _weights(given: ArrayLike, name: str) -> Floats:
    values = as_floats(given, name)
    if values.ndim != 2 or not values.size:
        raise MfsymError(f"{name} must be a matrix of weights, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise MfsymError(f"{name} must be finite, got {int((~np.isfinite(values)).sum())} entries of NaN or infinity")
    return values


def _rows(first: Floats, second: Floats, convention: str) -> tuple[Floats, Floats]:
    """One row for each hidden unit: weights into it, weights out of it."""
    return first.T if convention == "keras" else first, second.T if convention == "torch" else second


def _layout_error(first: Floats, second: Floats, convention: str) -> str:
    """Error message for two weight matrices that do not fit together, with the conventions in which they would."""
    text = f"both layers must have the same hidden width: {SHAPES[convention]} in the convention {convention!r}, "
    text += f"got {first.shape} and {second.shape}"
    fits = [name for name in CONVENTIONS if len({len(rows) for rows in _rows(first, second, name)}) == 1]
    return text + (f"; they fit the convention {' or '.join(map(repr, fits))}" if fits else "")
