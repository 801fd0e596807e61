"""Noisy SGD on ensembles of a user's own units: the time loop of ``kernels.sgd`` around two functions of the user.

forward(x, z, out) writes sigma(x, z) to out (c,); pullback(x, z, r, out) writes D_z sigma(x, z)^T r to out (p,), for
one input x (d,) and one particle z (p,). They see float64 whatever the precision of the run. Kernels that take
functions are compiled again in every process: numba cannot keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import uncached_kernel, user_function
from mfsym.kernels.losses import cotangents
from mfsym.kernels.steps import Sizes, Workspace, make_workspace, map_extents, update_block
from mfsym.kernels.units import block_shape

USER = 3
"""Code of these units."""

DIFFERENCE_STEP = 6e-6
"""Step of central differences, times max(1, |z|): about the cube root of the precision."""

COMPLEX_STEP = 1e-30
"""Step of complex differences: no digits are lost however small it is."""


class UserShape(NamedTuple):
    """A run of a user's unit: its two functions, and the sizes of the run."""

    forward: Callable[..., Any]
    pullback: Callable[..., Any]
    sizes: Sizes

    @property
    def blocks(self) -> int:
        """Blocks of particles."""
        return self.sizes.blocks


def user_plan(functions: tuple[Callable[..., Any], ...], p: int, n: int, samples: int, item: int) -> UserShape:
    """The UserShape of a run of n particles."""
    blocks, lanes = block_shape(n, p)
    return UserShape(functions[0], functions[1], Sizes(n, p, lanes, blocks))


def user_workspace(
    shape: UserShape, c: int, samples: int, noise_dimension: int, dtype: Any, threads: int = 1
) -> Workspace:
    """Scratch arrays for a run of this shape, which takes one thread whatever ``threads`` is."""
    return make_workspace(shape.sizes, 0, 0, c, samples, noise_dimension, dtype, 1)


def differences(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The pullback of ``forward`` by central differences: 2 p forward passes, some nine digits."""

    def pullback(x: Any, z: Any, r: Any, out: Any) -> None:
        up, down = np.empty(r.shape[0]), np.empty(r.shape[0])
        for k in range(z.shape[0]):
            here = z[k]
            step = DIFFERENCE_STEP * max(1.0, abs(here))
            z[k] = here + step
            forward(x, z, up)
            z[k] = here - step
            forward(x, z, down)
            z[k] = here
            total = 0.0
            for j in range(r.shape[0]):
                total += r[j] * (up[j] - down[j])
            out[k] = total / (2.0 * step)

    return user_function(pullback)


def complex_differences(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The pullback of an analytic ``forward`` by complex steps: p complex forward passes, exact to rounding."""

    def pullback(x: Any, z: Any, r: Any, out: Any) -> None:
        moved, value = z.astype(np.complex128), np.empty(r.shape[0], np.complex128)
        for k in range(z.shape[0]):
            moved[k] = z[k] + 1j * COMPLEX_STEP
            forward(x, moved, value)
            moved[k] = z[k]
            total = 0.0
            for j in range(r.shape[0]):
                total += r[j] * value[j].imag
            out[k] = total / COMPLEX_STEP

    return user_function(pullback)


@uncached_kernel
def user_outputs(forward: Any, x: Any, z: Any, out: Any) -> None:
    """out (B, N, c) = sigma(x_b, z_i)."""
    for b in range(x.shape[0]):
        for i in range(z.shape[0]):
            forward(x[b], z[i], out[b, i])


@uncached_kernel
def user_pullbacks(pullback: Any, x: Any, z: Any, r: Any, out: Any) -> None:
    """out (N, p) += sum_b D_z sigma(x_b, z_i)^T r_b."""
    one = np.empty(z.shape[1])
    for i in range(z.shape[0]):
        for b in range(x.shape[0]):
            pullback(x[b], z[i], r[b], one)
            for k in range(z.shape[1]):
                out[i, k] += one[k]


@uncached_kernel
def _sums(forward: Any, shape: Any, block: Any, blocked: Any, x: Any, phi: Any) -> None:
    """phi (M, c) = the sum of outputs over the particles of one block."""
    z, out = np.empty(shape.p), np.empty(phi.shape[1])
    points = x.astype(np.float64)
    phi[:] = 0
    for lane in range(min(shape.lanes, shape.n - block * shape.lanes)):
        for k in range(shape.p):
            z[k] = blocked[(block * shape.p + k) * shape.lanes + lane]
        for m in range(points.shape[0]):
            forward(points[m], z, out)
            for j in range(out.shape[0]):
                phi[m, j] += out[j]


@uncached_kernel
def _force(pullback: Any, shape: Any, block: Any, blocked: Any, x: Any, r: Any, g: Any) -> None:
    """g[:p L] = the pullback of r (M, c) to the particles of one block; samples without weight are not looked at."""
    z, one = np.empty(shape.p), np.empty(shape.p)
    points, cotangent = x.astype(np.float64), r.astype(np.float64)
    g[: shape.p * shape.lanes] = 0
    for lane in range(min(shape.lanes, shape.n - block * shape.lanes)):
        for k in range(shape.p):
            z[k] = blocked[(block * shape.p + k) * shape.lanes + lane]
        for m in range(points.shape[0]):
            if np.any(cotangent[m] != 0.0):
                pullback(points[m], z, cotangent[m], one)
                for k in range(shape.p):
                    g[k * shape.lanes + lane] += one[k]


def advance_user(shape: UserShape, z: Any, batches: Any, parameters: Any, work: Any, thread: Any) -> int:
    """As ``kernels.sgd.advance``; the loop over steps is not compiled, so that a new function compiles fast."""
    extents, sizes = work.extents[thread], shape.sizes
    map_extents(parameters, extents)
    for s, x in enumerate(batches.x):
        for block in range(sizes.blocks):
            _sums(shape.forward, sizes, block, z, x, work.phi[block])
        if not cotangents(sizes, batches, s, work, parameters.loss):
            return s
        finite = True
        for block in range(sizes.blocks):
            _force(shape.pullback, sizes, block, z, x, work.r, work.forces[thread])
            finite &= update_block(sizes, block, z, parameters, extents, s, work, thread)
        if not finite:
            return s + 1
    return len(batches.x)
