"""Pictures of quotients: an orbit with its horizontal space, a kick split in two, an aligned step."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mfsym as mf
from building.pictures import GREY, INK

VERTICAL, HORIZONTAL = "#D55E00", "#0072B2"


def _plain(ax: Axes, title: str) -> None:
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)
    ax.set_aspect("equal")
    for side in ax.spines.values():
        side.set_visible(False)


def orbit() -> Figure:
    """An orbit of SO(2) on R^3 = R^2 + R with the vertical line and the horizontal plane at one point."""
    quotient = mf.Quotient(mf.so(2).vector() + mf.so(2).trivial(1))
    x = np.array([[0.9 * np.cos(-0.6), 0.9 * np.sin(-0.6), 0.35]])
    outward = quotient.project(x, x * [1.0, 1.0, 0.0])[0]
    sides = 0.55 * np.array([outward / np.linalg.norm(outward), [0.0, 0.0, 1.0]])
    vertical = np.cross(*sides)
    vertical *= 0.6 / np.linalg.norm(vertical)
    fig = plt.figure(figsize=(5.2, 3.4))
    ax = fig.add_subplot(projection="3d", computed_zorder=False)
    angle = np.linspace(0.0, 2.0 * np.pi, 200)
    for height, radius in ((0.35, 0.9), (0.8, 0.5), (-0.3, 1.25)):
        look = {"color": INK, "lw": 1.6} if height == 0.35 else {"color": GREY, "lw": 0.6}
        ax.plot(radius * np.cos(angle), radius * np.sin(angle), height, **look)
    ax.plot([0, 0], [0, 0], [-0.6, 1.1], color=GREY, lw=1.2, ls="--")
    corners = x[0] + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ sides
    ax.plot_trisurf(*corners.T, triangles=[[0, 1, 2], [0, 2, 3]], color=HORIZONTAL, alpha=0.3, zorder=2)
    ax.plot(*np.stack([x[0] - vertical, x[0] + vertical]).T, color=VERTICAL, lw=2, zorder=3)
    ax.scatter(*x[0], color=INK, s=24, zorder=4)
    ax.text(*(x[0] - 1.15 * vertical), " vertical", color=VERTICAL, fontsize=9)
    ax.text(*(corners[2] + [0.0, 0.0, 0.12]), "horizontal", color=HORIZONTAL, fontsize=9)
    ax.text(-1.2, -0.6, 0.2, "orbit of x", color=INK, fontsize=9, ha="center")
    ax.text(0, 0, 1.12, "fixed points: singular orbits", color=GREY, fontsize=8, ha="center")
    ax.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), zlim=(-0.6, 1.2))
    ax.set_box_aspect((2.8, 2.8, 1.8), zoom=1.5)
    ax.view_init(22, -75)
    ax.set_axis_off()
    fig.subplots_adjust(0.0, 0.0, 1.0, 1.0)
    return fig


def split_kick() -> Figure:
    """A kick of a triangle, its vertical part, which turns the triangle, and its horizontal part, which deforms it."""
    quotient = mf.Quotient(3 * mf.so(2).vector(), centred=True)
    x = quotient.centre(np.array([[1.0, 0.0, -0.6, 0.7, -0.4, -0.9]]))
    kick = quotient.centre(0.6 * mf.gaussian(mf.stream_key(4, "noise"), 1, 6, scale=1.0))
    horizontal = quotient.project(x, kick)
    panels = (("kick", kick, INK), ("vertical part: turns", kick - horizontal, VERTICAL))
    panels += (("horizontal part: deforms", horizontal, HORIZONTAL),)
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.5), layout="constrained")
    points = x.reshape(3, 2)
    for ax, (title, move, colour) in zip(axes, panels, strict=True):
        ax.fill(*points.T, fc="#EEEEEE", ec=GREY)
        for point, step in zip(points, move.reshape(3, 2), strict=True):
            look = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", point + step, point, arrowprops=look)
        ax.fill(*(points + move.reshape(3, 2)).T, fill=False, ec=colour, ls="--", lw=0.9)
        ax.scatter(*points.T, color=INK, s=12, zorder=3)
        ax.set(xlim=(-1.8, 1.9), ylim=(-1.8, 1.6))
        _plain(ax, title)
        ax.title.set_color(colour)
    return fig


def aligned_steps() -> Figure:
    """Steps from one point of the plane: isotropic, horizontal, and aligned, with their means, under SO(2)."""
    quotient, start = mf.Quotient(mf.so(2).vector()), np.array([1.0, 0.0])
    kicks = 0.4 * mf.gaussian(mf.stream_key(2, "noise"), 400, 2, scale=1.0)
    x = np.broadcast_to(start, kicks.shape)
    panels = {
        "isotropic: all directions": x + kicks,
        "horizontal: radial part": x + quotient.project(x, kicks),
        "quotient: turned back": quotient.align(x + kicks, x),
    }
    angle = np.linspace(-1.2, 1.2, 100)
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.7), layout="constrained", sharex=True, sharey=True)
    for ax, (title, points) in zip(axes, panels.items(), strict=True):
        ax.plot(np.cos(angle), np.sin(angle), color=GREY, lw=1)
        ax.scatter(*points.T, s=5, color=HORIZONTAL, alpha=0.3)
        ax.scatter(*start, color=INK, s=26, zorder=3)
        radius = np.linalg.norm(points, axis=1).mean()
        ax.text(0.03, 0.02, f"mean radius {radius:.2f}", transform=ax.transAxes, fontsize=8)
        _plain(ax, title)
    return fig
