"""Noisy SGD on an ensemble: the compiled time loop.

Each step, for the lifted batch x_{bk}, y_b with node weights w_k, sample weights q_b and matrices rho_k on outputs:

    e_b      = sum_k w_k rho_k^T Phi(x_bk) - y_b        (half the derivative of the loss, if another than quadratic)
    force_i  = P sum_{b,k} 2 q_b w_k D_z sigma(x_bk, z_i)^T rho_k e_b + 2 tau z_i
    z_i     <- z_i - rate force_i + amplitude W eta_i,     eta_i ~ N(0, I_m)

(Maass Martínez & Fontbona 2024, equation of the noisy SGD of section 2 with one lifted batch per step.)

The type of the shape chooses the passes when the loop is compiled: those of ``kernels.shallow`` or of ``kernels.deep``.
The backward pass goes through the blocks from the last to the first: the last tapes are still in the cache.

Threads share the blocks: each makes the same call with its own number, and they meet twice a step (``kernels.gates``).
Sums over particles are partial sums of one block each, added in order: their bits do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mfsym.accelerate import by_type, class_of, kernel
from mfsym.kernels.deep import DeepShape, forward_deep, pull_deep
from mfsym.kernels.gates import meet
from mfsym.kernels.losses import cotangents
from mfsym.kernels.shallow import forward_shallow, pull_shallow
from mfsym.kernels.steps import map_extents, update_block

__all__ = ["advance"]


def _forward_shallow(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> Any:
    return forward_shallow(shape, block, z, x, work, thread)


def _forward_deep(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> Any:
    return forward_deep(shape, block, z, x, work, thread)


def _pull_shallow(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> Any:
    return pull_shallow(shape, block, z, x, work, thread)


def _pull_deep(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> Any:
    return pull_deep(shape, block, z, x, work, thread)


def _choose_forward(shape: Any, *rest: Any) -> Callable[..., Any]:
    return _forward_deep if class_of(shape) is DeepShape else _forward_shallow


def _choose_pull(shape: Any, *rest: Any) -> Callable[..., Any]:
    return _pull_deep if class_of(shape) is DeepShape else _pull_shallow


@by_type(_choose_forward)
def forward(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> Any:
    """Partial prediction of one block, into work.phi[block]; leaves its tape where tapes are kept."""
    return _choose_forward(shape)(shape, block, z, x, work, thread)


@by_type(_choose_pull)
def pull(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> Any:
    """Pull work.r back to the particles of one block, into work.forces[thread]."""
    return _choose_pull(shape)(shape, block, z, x, work, thread)


@kernel
def advance(shape: Any, z: Any, batches: Any, parameters: Any, work: Any, thread: Any) -> Any:
    """Move the blocked particles z through the S steps of ``batches``; ``thread`` is this call's number among threads.

    Returns S, or the number of steps after which the state stopped being finite (the run ends there).
    """
    threads, extents = work.forces.shape[0], work.extents[thread]
    map_extents(parameters, extents)
    first, last = thread * shape.blocks // threads, (thread + 1) * shape.blocks // threads
    for s in range(batches.x.shape[0]):
        x = batches.x[s]
        for block in range(first, last):
            forward(shape, block, z, x, work, thread)
        meet(work.gate, threads)
        for other in range(threads + 1):
            if not work.finite[other]:
                return s
        if thread == 0:
            work.finite[threads] = cotangents(shape, batches, s, work, parameters.loss)
        meet(work.gate, threads)
        if not work.finite[threads]:
            return s
        for block in range(last - 1, first - 1, -1):
            pull(shape, block, z, x, work, thread)
            work.finite[thread] &= update_block(shape, block, z, parameters, extents, s, work, thread)
    return batches.x.shape[0]
