"""The gradient of a population risk on every particle, for data given by nodes and weights.

With nodes x_{bk}, targets y_b, node weights w_k, sample weights q_b, matrices rho_k on outputs (see ``kernels.sgd``):

    e_b     = sum_k w_k rho_k^T Phi(x_bk) - y_b,     risk = sum_b q_b |e_b|^2
    grad_i  = sum_{b,k} 2 q_b w_k D_z sigma(x_bk, z_i)^T rho_k e_b

(Maass Martínez & Fontbona 2024, section 2.1: D_z of the linear derivative of the risk.) Forward passes are run again on
the way back, so memory is proportional to the number of nodes, and sums are added block after block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel_allocating
from mfsym.kernels.blocks import Kind, predict_block, recompute_block, unit_kind
from mfsym.kernels.units import MATRIX, SAMPLES_AT_A_TIME, as_block, block_shape, pack, unpack


class LiftedNodes(NamedTuple):
    """Nodes as the kernels see them, M = B K samples padded with zeros to a multiple of 4.

    x : (M, d), node (b, k) at b K + k (for the uv unit divided by d).  y : (B, c).  rho : (K, c, c).
    node_weights : (K,).  sample_weights : (B,).
    """

    x: np.ndarray
    y: np.ndarray
    rho: np.ndarray
    node_weights: np.ndarray
    sample_weights: np.ndarray


class Cloud(NamedTuple):
    """Particles in blocks: the unit, sizes n and p, lanes L, and the blocks, flat."""

    unit: Kind
    n: int
    p: int
    lanes: int
    blocked: np.ndarray


@kernel_allocating
def _cotangents(nodes: Any, phi: Any, n: Any) -> Any:
    """Turn sums phi (M, c) over n particles into r_bk = 2 q_b w_k rho_k e_b; the risk."""
    B, c = nodes.y.shape
    K = nodes.node_weights.shape[0]
    error = np.empty(c)
    risk = 0.0
    for b in range(B):
        square = 0.0
        for j in range(c):
            e = -nodes.y[b, j]
            for k in range(K):
                for i in range(c):
                    e += nodes.node_weights[k] * nodes.rho[k, i, j] * (phi[b * K + k, i] / n)
            error[j] = e
            square += e * e
        risk += nodes.sample_weights[b] * square
        for k in range(K):
            factor = 2.0 * nodes.sample_weights[b] * nodes.node_weights[k]
            for i in range(c):
                value = 0.0
                for j in range(c):
                    value += nodes.rho[k, i, j] * error[j]
                phi[b * K + k, i] = factor * value
    phi[B * K :] = 0.0
    return risk


@kernel_allocating
def sweep_population(cloud: Any, nodes: Any, gradient: Any) -> Any:
    """Write the gradient of the risk, in blocks like the particles, to ``gradient`` (flat); return the risk."""
    L, size = np.uintp(cloud.lanes), cloud.p * cloud.lanes
    blocks = cloud.blocked.shape[0] // size
    phi = np.zeros((nodes.x.shape[0], nodes.y.shape[1]))
    scratch = np.empty(8 * cloud.lanes)
    g = np.empty((cloud.p + 4) * cloud.lanes)
    weights = np.ones(cloud.lanes)
    for b in range(blocks):
        if b == blocks - 1:
            weights[cloud.n - b * cloud.lanes :] = 0.0
        predict_block(cloud.unit, cloud.blocked, np.uintp(b * size), L, nodes.x, weights, scratch, phi)
    risk = _cotangents(nodes, phi, cloud.n)
    for b in range(blocks):
        recompute_block(cloud.unit, cloud.blocked, np.uintp(b * size), L, nodes.x, phi, scratch, g)
        gradient[b * size : (b + 1) * size] = g[:size]
    return risk


def pad_nodes(unit: int, x: np.ndarray) -> np.ndarray:
    """The nodes (M, d) as ``LiftedNodes`` holds them: padded, and divided by d for the uv unit."""
    padded = np.zeros((-(-len(x) // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME, x.shape[1]))
    padded[: len(x)] = x if unit == MATRIX else x / x.shape[1]
    return padded


def population_gradient(unit: tuple[int, int], z: np.ndarray, nodes: LiftedNodes) -> tuple[np.ndarray, float]:
    """Gradient (N, p) of the risk on the particles z (N, p) as the particles feel it (N times d/dz_i), and the risk."""
    n, p = z.shape
    blocks, lanes = block_shape(n)
    blocked, gradient = np.empty(blocks * p * lanes), np.empty(blocks * p * lanes)
    pack(as_block(z), n, p, lanes, blocked)
    risk = sweep_population(Cloud(unit_kind(unit, nodes.x.shape[1]), n, p, lanes, blocked), nodes, gradient)
    result = np.empty((n, p))
    unpack(gradient, lanes, result)
    return result, float(risk)
