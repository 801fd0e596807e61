"""From the blocks' sums of predictions to cotangents: the derivative of the loss, spread over the lifted samples.

The prediction is yhat_b = sum_k w_k rho_k^T Phi(x_bk); with e_b half the derivative of the loss at yhat_b,

    r_bk = 2 q_b w_k rho_k e_b.

QUADRATIC |yhat - y|^2.  CROSS_ENTROPY -sum_j y_j log softmax(yhat)_j, y in the simplex (one-hot, or probabilities).
LOGISTIC sum_j log(1 + exp(-y_j yhat_j)) for y in {-1, 1}, linear in between: softplus(yhat) - (1 + y) yhat / 2.

Mixtures are losses on the scores s_k = Phi(x_bk) of a unit with one output over the K nodes of a sample's orbit, with
lambda_k = w_k exp(s_k) / sum_l w_l exp(s_l):
LIKELIHOOD -log o, o = sum_k lambda_k y_k, y (K,) probabilities.  dl/ds_k = -lambda_k (y_k - o) / o.
SQUARES |F|^2, F = sum_k lambda_k y_k, y (K c,) residuals, node after node.  dl/ds_k = 2 lambda_k F.(y_k - F).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import kernel
from mfsym.kernels.elementary import like

QUADRATIC, CROSS_ENTROPY, LOGISTIC, LIKELIHOOD, SQUARES = 0, 1, 2, 3, 4
"""Codes of the losses; from LIKELIHOOD on they are mixtures over the orbit."""


@kernel
def half_slopes(loss: Any, e: Any, y: Any) -> None:
    """Replace predictions e (c,) by half the derivative of the loss there; for the codes above QUADRATIC."""
    half, one = like(e[0], 0.5), like(e[0], 1.0)
    if loss == CROSS_ENTROPY:
        top = e[0]
        for j in range(1, e.shape[0]):
            top = e[j] if e[j] > top else top
        total = like(top, 0.0)
        for j in range(e.shape[0]):
            e[j] = np.exp(e[j] - top)
            total += e[j]
        for j in range(e.shape[0]):
            e[j] = half * (e[j] / total - y[j])
    else:
        for j in range(e.shape[0]):
            a = -e[j] if e[j] > like(one, -80.0) else like(one, 80.0)
            e[j] = half * (one / (one + np.exp(a)) - half * (one + y[j]))


@kernel
def _slopes_alone(y: Any, q: Any, phi: Any, r: Any, loss: Any) -> Any:
    """``cotangents`` without orbits: one node whose matrix is the identity. y : (B, c).  q : (B,).  0, or NaN."""
    B, c = y.shape
    zero, two = like(phi[0, 0], 0.0), like(phi[0, 0], 2.0)
    check = zero
    for b in range(B):
        for j in range(c):
            e = phi[b, j] - y[b, j] if loss == QUADRATIC else phi[b, j]
            check += e * zero
            r[b, j] = e
        if loss != QUADRATIC:
            half_slopes(loss, r[b], y[b])
        factor = two * q[b]
        for j in range(c):
            r[b, j] *= factor
    return check


@kernel
def _slopes_of_orbits(y: Any, rho: Any, w: Any, q: Any, phi: Any, r: Any, loss: Any) -> Any:
    """``cotangents`` with orbits of K nodes. y : (B, c).  rho : (K, c, c).  w : (K,).  q : (B,).  0, or NaN."""
    B, c = y.shape
    K = w.shape[0]
    zero = like(phi[0, 0], 0.0)
    check = zero
    for b in range(B):
        for j in range(c):
            e = -y[b, j] if loss == QUADRATIC else zero
            for k in range(K):
                part = zero
                for i in range(c):
                    part += rho[k, i, j] * phi[b * K + k, i]
                e += w[k] * part
            check += e * zero
            r[b * K, j] = e
        if loss != QUADRATIC:
            half_slopes(loss, r[b * K], y[b])
        for j in range(c):
            phi[b * K, j] = r[b * K, j]
        for k in range(K - 1, -1, -1):
            factor = like(zero, 2.0) * q[b] * w[k]
            for i in range(c):
                value = zero
                for j in range(c):
                    value += rho[k, i, j] * phi[b * K, j]
                r[b * K + k, i] = factor * value
    return check


@kernel
def _slopes_of_mixtures(y: Any, w: Any, q: Any, phi: Any, r: Any, loss: Any) -> Any:
    """``cotangents`` of mixtures: scores phi (B K, 1), y (B, K c), w (K,), q (B,). Uses phi to work in. 0, or NaN."""
    K = w.shape[0]
    c = y.shape[1] // K
    zero, two = like(phi[0, 0], 0.0), like(phi[0, 0], 2.0)
    check = zero
    for b in range(y.shape[0]):
        first = b * K
        top = phi[first, 0]
        for k in range(K):
            s = phi[first + k, 0]
            check += s * zero
            top = s if s > top else top
        total = zero
        for k in range(K):
            r[first + k, 0] = w[k] * np.exp(phi[first + k, 0] - top)
            total += r[first + k, 0]
            phi[first + k, 0] = zero
        for k in range(K):
            r[first + k, 0] /= total
        for j in range(c):
            mean = zero
            for k in range(K):
                mean += r[first + k, 0] * y[b, k * c + j]
            factor = -like(zero, 1.0) / mean if loss == LIKELIHOOD else two * mean
            for k in range(K):
                phi[first + k, 0] += factor * (y[b, k * c + j] - mean)
        for k in range(K):
            r[first + k, 0] *= q[b] * phi[first + k, 0]
    return check


@kernel
def _is_plain(rho: Any, w: Any) -> Any:
    """Whether there is one node, of weight 1, whose matrix is the identity."""
    plain = w.shape[0] == 1 and w[0] == 1
    for i in range(rho.shape[1]):
        for j in range(rho.shape[1]):
            plain &= rho[0, i, j] == (1 if i == j else 0)
    return plain


@kernel
def cotangents(shape: Any, batches: Any, s: Any, work: Any, loss: Any = QUADRATIC) -> Any:
    """Write r_bk of step s to work.r (M, c) from work.phi (blocks, M, c); false if a prediction is not finite."""
    total, r, one = work.phi[0], work.r, like(work.phi[0, 0, 0], 1.0)
    scale = one / like(one, shape.n)
    for m in range(total.shape[0]):
        for j in range(total.shape[1]):
            for b in range(1, shape.blocks):
                total[m, j] += work.phi[b, m, j]
            total[m, j] *= scale
    rho, w = batches.rho[s % batches.rho.shape[0]], batches.node_weights[s % batches.node_weights.shape[0]]
    if loss >= LIKELIHOOD:
        check = _slopes_of_mixtures(batches.y[s], w, batches.sample_weights, total, r, loss)
    elif _is_plain(rho, w):
        check = _slopes_alone(batches.y[s], batches.sample_weights, total, r, loss)
    else:
        check = _slopes_of_orbits(batches.y[s], rho, w, batches.sample_weights, total, r, loss)
    return check == 0
