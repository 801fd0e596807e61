"""What a latent action must beat: the input itself, the whole image turned, angles added to latents."""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.errors import MfsymError
from mfsym.latents.actions import LatentAction
from mfsym.latents.images import rotated
from mfsym.latents.pairs import Pairs
from mfsym.schemes.arrays import Array, like, namespace
from mfsym.typing import Floats


class AdditiveAction:
    """z_v + theta: the angle is added to every latent that varies. Of SO(2) with g in [0, 2 pi), no representation.

    dim : number of latents.  varying : how many vary, the first ones.
    """

    def __init__(self, dim: int, varying: int) -> None:
        if not 0 < varying <= dim:
            raise MfsymError(f"between 1 and {dim} latents can vary, got {varying}")
        self.dim, self.varying = dim, varying
        self._moved = (np.arange(dim) < varying).astype(np.float64)

    def act(self, g: Any, z: Array) -> Array:
        """z_v + g, and the others unchanged."""
        return z + self._shift(g, z)

    def inverse(self, g: Any, z: Array) -> Array:
        """z_v - g, and the others unchanged."""
        return z - self._shift(g, z)

    def mixed(self, varying: Array, invariant: Array) -> Array:
        """The varying latents of the first argument with the others of the second."""
        return varying + (invariant - varying) * like(1.0 - self._moved, varying)

    def _shift(self, g: Any, z: Array) -> Array:
        angles = g if hasattr(g, "shape") and not isinstance(g, np.ndarray | np.generic) else like(np.asarray(g), z)
        return namespace(z).astype(angles, z.dtype)[..., None] * like(self._moved, z)


def copied(pairs: Pairs) -> Floats:
    """x1 as the answer for x2."""
    return pairs.arrays[0]


def whole_image(pairs: Pairs, action: LatentAction) -> Floats:
    """x1 turned as a whole by bilinear interpolation, cut to [0, 1]; for square images and a group of the plane.

    MfsymError otherwise.
    """
    x1, _, g = pairs.arrays
    group = action.group
    if group.order is not None and len(group.generator_names) == 1:
        angles = g * (2.0 * np.pi / group.order)
    elif group.planes == 1 and g.reshape(len(g), -1).shape[1] == 1:
        angles = g.reshape(len(g))
    else:
        raise MfsymError(f"an image turns as a whole by one angle of so(2), o(2), u1(1) or cyclic(n), got {group.name}")
    return np.clip(rotated(x1, angles), 0.0, 1.0)
