"""Pictures of exact transport: a matching, a search tree, an auction, a certificate."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

import mfsym as mf
from building.pictures import GREY, INK

ONE, OTHER = "#0072B2", "#D55E00"


def clouds(n: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds (n, 2): one round, one of two lumps."""
    a = mf.gaussian(mf.stream_key(first, "init"), n, 2, scale=0.8)
    b = mf.gaussian(mf.stream_key(first + 1, "init"), n, 2, scale=0.4)
    return a, b + np.where(np.arange(n) % 2, 1.0, -1.0)[:, None] * np.array([1.1, 0.6])


def _bare(ax: Axes, title: str) -> None:
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)
    ax.set_aspect("equal")
    for side in ax.spines.values():
        side.set_visible(False)


def matching(n: int = 40) -> Figure:
    """Nearest neighbours, which collide, beside the optimal matching."""
    a, b = clouds(n)
    nearest = np.square(a[:, None] - b[None]).sum(axis=2).argmin(axis=1)
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.1), layout="constrained")
    for ax, partner, title in (
        (axes[0], nearest, f"each to its nearest: only {len(set(nearest))} of {n} targets are used"),
        (axes[1], mf.w2(a, b).matching, "optimal matching: every target once"),
    ):
        for i, j in enumerate(partner):
            ax.plot(*np.stack([a[i], b[j]]).T, color=GREY, lw=0.7, zorder=0)
        ax.scatter(*a.T, s=12, color=ONE)
        ax.scatter(*b.T, s=12, color=OTHER)
        _bare(ax, title)
    return fig


def _boxes(points: np.ndarray, leaf: int) -> list[np.ndarray]:
    """Bounding boxes (2, 2) of the leaves of a kd-tree, low and high corners."""
    if len(points) <= leaf:
        return [np.stack([points.min(axis=0), points.max(axis=0)])]
    order = points[:, np.ptp(points, axis=0).argmax()].argsort()
    half = len(points) // 2
    return _boxes(points[order[:half]], leaf) + _boxes(points[order[half:]], leaf)


def search_tree(n: int = 128, k: int = 6) -> Figure:
    """The leaves of a kd-tree, and those that a search for the k nearest columns must open."""
    _, b = clouds(n)
    x = np.array([0.7, 0.45])
    distances = np.sort(np.linalg.norm(b - x, axis=1))
    fig, ax = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
    opened = 0
    boxes = _boxes(b, 8)
    for low, high in boxes:
        near = np.linalg.norm(x - np.clip(x, low, high)) <= distances[k - 1]
        opened += near
        fill, edge = ("#FBE3D4", OTHER) if near else ("none", GREY)
        ax.add_patch(Rectangle(low, *(high - low), fc=fill, ec=edge, lw=0.8))
    ax.add_patch(Circle(x, distances[k - 1], fill=False, ec=INK, ls="--", lw=0.8))
    ax.scatter(*b.T, s=8, color=OTHER)
    ax.scatter(*x, s=30, color=ONE, zorder=3)
    ax.annotate("row $x_i$", x, xytext=(-42, 14), textcoords="offset points", color=ONE, fontsize=9)
    _bare(ax, f"the {k} nearest columns of a row: {opened} of {len(boxes)} leaves are opened")
    return fig


def _auction(cost: np.ndarray, price: np.ndarray, epsilon: float) -> tuple[np.ndarray, int]:
    """The partners (N,) of the rows after a forward auction, and the number of bids. Raises ``price`` (N,)."""
    n = len(cost)
    owner, partner, bids = np.full(n, -1), np.full(n, -1), 0
    waiting = list(range(n))
    while waiting:
        i = waiting.pop()
        value = cost[i] + price
        j, second = np.argsort(value)[:2]
        price[j] += value[second] - value[j] + epsilon
        if owner[j] >= 0:
            partner[owner[j]] = -1
            waiting.append(int(owner[j]))
        owner[j], partner[i], bids = i, j, bids + 1
    return partner, bids


def auction(n: int = 60) -> Figure:
    """Cost and dual value of auctions with decreasing epsilon, and their bids, with and without scaling."""
    a, b = clouds(n)
    cost = np.square(a[:, None] - b[None]).sum(axis=2)
    epsilons = 0.5 * 0.2 ** np.arange(6)
    price, upper, lower, bids, alone = np.zeros(n), [], [], [], []
    for epsilon in epsilons:
        partner, count = _auction(cost, price, epsilon)
        upper.append(cost[np.arange(n), partner].mean())
        lower.append((cost + price).min(axis=1).mean() - price.mean())
        bids.append(count)
        alone.append(_auction(cost, np.zeros(n), epsilon)[1])
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
    axes[0].fill_between(epsilons, lower, upper, color="#DDDDDD")
    axes[0].semilogx(epsilons, upper, "v-", color=OTHER, label="cost of the assignment")
    axes[0].semilogx(epsilons, lower, "^-", color=ONE, label="dual value")
    axes[0].axhline(mf.w2(a, b).w2_squared, color=INK, lw=0.8, ls="--", label="$W_2^2$")
    axes[0].set(xlabel="ε", ylabel="squared distance")
    axes[0].invert_xaxis()
    axes[0].legend(fontsize=8)
    axes[1].loglog(epsilons, np.cumsum(bids), "o-", color=INK, label="ε decreased in steps")
    axes[1].loglog(epsilons, alone, "s--", color=GREY, label="last ε at once")
    axes[1].set(xlabel="ε", ylabel="bids in all")
    axes[1].invert_xaxis()
    axes[1].legend(fontsize=8)
    return fig


def certificate(n: int = 40) -> Figure:
    """The slack of every pair, rows and columns in the order of the first axis, with the pairs of the matching."""
    a, b = clouds(n)
    rows, columns = a[:, 0].argsort(), b[:, 0].argsort()
    a, b = a[rows], b[columns]
    found = mf.w2(a, b)
    u, v = found.potentials
    cost = np.square(a[:, None] - b[None]).sum(axis=2)
    fig, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
    tables = {"cost $c_{ij}$": cost, "slack $c_{ij} - u_i - v_j$": cost - u[:, None] - v}
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        image = ax.imshow(np.maximum(table, 0.0), cmap="cividis", vmin=0.0, vmax=4.0)
        ax.plot(found.matching, np.arange(n), "o", ms=4, mfc="none", mec="white")
        ax.set(xlabel="column j", ylabel="row i")
        ax.set_title(title, fontsize=9)
        fig.colorbar(image, ax=ax, extend="max")
    return fig
