"""Pictures that explain, each drawn by one function; pages call them in cells whose code is hidden."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

import mfsym as mf

INK, GREY = "#222222", "#999999"
ELEMENTS = ("#DDDDDD", "#F0B86E", "#8FB8DE")
"""Fills for the identity, another element, a third."""


def _canvas(width: float, height: float, aspect: tuple[float, float]) -> tuple[Figure, Axes]:
    fig, ax = plt.subplots(figsize=(width, height))
    ax.set(xlim=(0, aspect[0]), ylim=(0, aspect[1]))
    ax.set_aspect("equal")
    ax.axis("off")
    return fig, ax


def _box(ax: Axes, centre: tuple[float, float], text: str, size: tuple[float, float] = (2.0, 0.9)) -> None:
    x, y = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    ax.add_patch(FancyBboxPatch((x, y), *size, boxstyle="round,pad=0,rounding_size=0.12", fc="white", ec=INK))
    ax.text(*centre, text, ha="center", va="center", color=INK)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = INK) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=colour, shrinkA=0, shrinkB=0))


def where_the_group_enters() -> Figure:
    """The forward pass from data to loss, with the place of each scheme in the scheme's colour."""
    fig, ax = _canvas(7.2, 2.3, (12.4, 3.9))
    names = {"da": (1.3, 0.6), "ea": (4.6, 0.6), "fa": (7.9, 0.6)}
    said = {
        "da": "data augmentation\n$(x, y) \\to (\\rho_g x,\\, \\hat\\rho_g y)$",
        "ea": "equivariant architecture\n$\\theta_i \\to P\\theta_i \\in E^G$",
        "fa": "feature averaging\n$\\Phi \\to \\int \\hat\\rho_g^{-1}\\Phi(\\rho_g\\,\\cdot)\\,dg$",
    }
    boxes = (
        (1.3, "data\n$(x, y) \\sim \\pi$"),
        (4.6, "units\n$\\sigma_*(x, \\theta_i)$"),
        (7.9, "prediction\n$\\Phi(x)$"),
        (11.2, "loss\n$|\\Phi(x) - y|^2$"),
    )
    for x, text in boxes:
        _box(ax, (x, 3.1), text, (2.1, 1.1))
    for x in (1.3, 4.6, 7.9):
        _arrow(ax, (x + 1.05, 3.1), (x + 2.25, 3.1))
    for name, (x, y) in names.items():
        mark = mf.SCHEMES[name].mark
        _arrow(ax, (x, y + 0.55), (x, 2.55), mark.colour)
        ax.text(x, y, said[name], ha="center", va="center", color=mark.colour)
    ax.text(11.2, 0.6, "vanilla:\nnowhere", ha="center", va="center", color=mf.SCHEMES["vanilla"].mark.colour)
    return fig


def lifted_batch() -> Figure:
    """What one batch of three samples becomes under each scheme, for a group of two elements."""
    panels = {
        "vanilla": ([[0], [0], [0]], "$K = 1$"),
        "da": ([[0], [1], [0], [1], [0], [1]], "$B|G|$ samples,\n$K = 1$"),
        "da-sampled": ([[0], [1], [0]], "one random $g$\na sample, $K = 1$"),
        "fa": ([[0, 1], [0, 1], [0, 1]], "$K = |G|$,\naveraged over $k$"),
        "ea": ([[0], [0], [0]], "$K = 1$, forces\nprojected by $P$"),
    }
    fig, axes = plt.subplots(1, 5, figsize=(7.2, 2.7))
    for ax, (name, (elements, text)) in zip(axes, panels.items(), strict=True):
        mark = mf.SCHEMES[name].mark
        for row, nodes in enumerate(elements):
            sample = row // 2 if name == "da" else row
            for column, element in enumerate(nodes):
                ax.add_patch(Rectangle((column, -row), 0.92, 0.86, fc=ELEMENTS[element], ec="white"))
                inner = f"$x_{sample + 1}$" if element == 0 else f"$\\rho x_{sample + 1}$"
                ax.text(column + 0.46, -row + 0.43, inner, ha="center", va="center", color=INK)
        ax.set(xlim=(-0.8, 2.7), ylim=(-5.9, 1.3))
        ax.set_aspect("equal")
        ax.axis("off")
        ax.text(0.95, 1.25, mark.label, ha="center", va="bottom", color=mark.colour, weight="bold")
        ax.text(0.95, -5.6, text, ha="center", va="top", color=INK, fontsize=8)
    return fig


def kinds_of_laws() -> Figure:
    """A cloud in the plane under the swap of coordinates: as it is, symmetrised (WI), projected on E^G (SI)."""
    swap = mf.cyclic(2).permutation()
    z = mf.gaussian(mf.stream_key(0, "init"), 16, 2, scale=0.8) + np.array([0.9, -0.4])
    clouds = {
        "any law $\\mu$": (z, np.zeros(len(z), int)),
        "symmetrised, $\\mu^G$: weakly invariant": (
            np.vstack([z, z @ swap.matrices[1].T]),
            np.repeat([0, 1], len(z)),
        ),
        "projected, $P_\\#\\mu$: strongly invariant": (swap.fixed_subspace().project(z), np.zeros(len(z), int)),
    }
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.7), sharex=True, sharey=True)
    for ax, (title, (points, image)) in zip(axes, clouds.items(), strict=True):
        ax.axline((0, 0), slope=1, color=GREY, lw=1)
        ax.text(2.2, 2.6, "$E^G$", color=GREY, ha="right")
        for x, y in z if "projected" in title else ():
            ax.plot([x, (x + y) / 2], [y, (x + y) / 2], color=ELEMENTS[0], lw=0.8, zorder=0)
        ax.scatter(*points.T, s=16, c=np.array([INK, "#D55E00"])[image], zorder=3)
        ax.set(title=title, xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
        ax.title.set_fontsize(9)
        ax.set_aspect("equal")
        for side in ax.spines.values():
            side.set_visible(False)
    fig.tight_layout()
    return fig
