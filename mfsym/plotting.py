"""Plot style: one colour and marker per scheme, paper-like type, clouds shown with the fixed subspace.

The scripts of ``figures/`` and ``mfsym animate`` share this file; nothing else in the package imports matplotlib.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mfsym.errors import MfsymError, StoreError

try:
    import matplotlib
except OSError as error:
    raise StoreError(
        "drawing needs a folder for matplotlib's settings, and none can be written: set MPLCONFIGDIR or TMPDIR"
    ) from error
from matplotlib.animation import FFMpegWriter, PillowWriter
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.schemes import SCHEMES as REGISTERED
from mfsym.schemes import Mark, marks_of
from mfsym.stores.publishing import publish

TEXT_SIZE = 8.0
"""Points; figures are drawn at the size they are printed."""

RC: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.labelsize": TEXT_SIZE,
    "xtick.labelsize": TEXT_SIZE - 1,
    "ytick.labelsize": TEXT_SIZE - 1,
    "legend.fontsize": TEXT_SIZE,
    "axes.linewidth": 0.6,
    "axes.unicode_minus": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.handletextpad": 0.3,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 0.9,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "path.simplify": True,
}
"""Settings of matplotlib for every figure; used as a context, so that a caller's own stay as they are."""


SCHEMES: dict[str, Mark] = marks_of(REGISTERED)
"""The marks of the package's schemes: the colour-blind safe palette of Okabe and Ito."""


def marks_of_result(result: Any) -> dict[str, Mark]:
    """A mark for each scheme of a Dataset: the package's, those that it records of others, or the next that is free."""
    recorded = json.loads(result.attrs.get("marks", "{}"))
    names = result["scheme"].values.tolist() if "scheme" in result else json.loads(result.attrs["config"])["schemes"]
    return marks_of(names, {name: Mark(*mark) for name, mark in recorded.items()})


TEACHER = Mark("teacher", "#000000", "s")
PLANE_COLOUR = "0.55"

FloatArray = NDArray[np.float64]


class Frame(NamedTuple):
    """Three orthonormal directions (p, 3) to look along, and the subspace (p, r) that is drawn among them."""

    directions: FloatArray
    subspace: FloatArray

    def coordinates(self, z: ArrayLike) -> FloatArray:
        """Coordinates (N, 3) of particles z (N, p)."""
        return as_floats(z, "particles") @ self.directions

    def outline(self, half: float) -> FloatArray:
        """Coordinates (K, 3) of what is drawn of the subspace: K = 1 the origin, 2 the ends of a line, 4 a square.

        The square lies in the two directions of the subspace that are nearest to the first two of the view.
        """
        if self.subspace.shape[1] == 0:
            return np.zeros((1, 3))
        nearest, _, _ = np.linalg.svd(self.subspace.T @ self.directions[:, :2])
        sides = half * self.coordinates((self.subspace @ nearest[:, :2]).T)
        if len(sides) == 1:
            return np.vstack([-sides, sides])
        return np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) @ sides


def frame_of(basis: ArrayLike, *clouds: ArrayLike) -> Frame:
    """The directions that show how far the clouds are from a subspace.

    basis : (p, r) orthonormal, of E^G; its first two columns are used.  clouds : each (N, p).
    The rest is filled with the principal directions of the residuals z - P z of all clouds together, largest first.
    """
    columns = as_floats(basis, "basis")
    points = np.concatenate([as_floats(cloud, "cloud") for cloud in clouds])
    points = points[np.isfinite(points).all(axis=1)]
    complement = np.eye(len(columns)) - columns @ columns.T
    residuals = points @ complement
    scale = float(np.abs(residuals).max(initial=0.0)) or 1.0
    _, _, rows = np.linalg.svd(np.concatenate([residuals, 1e-6 * scale * complement]), full_matrices=False)
    kept = columns[:, :2]
    off = rows[: 3 - kept.shape[1]].T
    largest = off[np.abs(off).argmax(axis=0), np.arange(off.shape[1])]
    return Frame(np.concatenate([kept, off * np.where(largest < 0, -1.0, 1.0)], axis=1), columns)


def reach(frame: Frame, *clouds: ArrayLike) -> float:
    """Half the side of a cube around 0 that holds the clouds, a tenth to spare."""
    points = np.concatenate([frame.coordinates(cloud) for cloud in clouds])
    return 1.1 * float(np.nanmax(np.abs(points), initial=1e-3))


def draw_space(axes: Any, frame: Frame, clouds: Sequence[tuple[Mark, ArrayLike]], half: float) -> list[Any]:
    """A 3-d view from above: the subspace (plane, line or point), the clouds, stems under the teacher.

    axes : 3-d axes.  half : half the side of what is shown.  Returns the artists of the clouds, in their order.
    """
    outline = frame.outline(half)
    if len(outline) == 4:
        axes.plot_trisurf(
            *outline.T, triangles=[[0, 1, 2], [0, 2, 3]], color="0.75", alpha=0.4, linewidth=0, shade=False
        )
    axes.plot(*np.vstack([outline, outline[:1]]).T, **_edge(outline))
    for x, y, height in (point for mark, z in clouds if mark == TEACHER for point in frame.coordinates(z)):
        axes.plot([x, x], [y, y], [0.0, height], color=TEACHER.colour, linewidth=0.4)
    artists = [axes.plot(*frame.coordinates(z).T, **_dots(mark))[0] for mark, z in clouds]
    axes.set(xlim=(-half, half), ylim=(-half, half), zlim=(-half, half), xticks=[], yticks=[], zticks=[])
    axes.set_box_aspect((1.0, 1.0, 0.8), zoom=1.1)
    axes.view_init(elev=24.0, azim=-58.0)
    axes.set_axis_off()
    return artists


def draw_side(axes: Any, frame: Frame, clouds: Sequence[tuple[Mark, ArrayLike]], half: float) -> list[Any]:
    """A view along the plane of the first two directions: the first one against the last. As ``draw_space``."""
    outline = frame.outline(half)
    axes.fill(*outline[:, [0, 2]].T, color="0.9", linewidth=0, zorder=0)
    axes.plot(*np.vstack([outline, outline[:1]])[:, [0, 2]].T, zorder=1, **_edge(outline))
    artists = [axes.plot(*frame.coordinates(z)[:, [0, 2]].T, **_dots(mark))[0] for mark, z in clouds]
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
    return artists


def _edge(outline: FloatArray) -> dict[str, Any]:
    """The border of the subspace as a line, a cross where it is a point."""
    look: dict[str, Any] = {"color": PLANE_COLOUR, "linewidth": 0.7}
    return look if len(outline) > 1 else {**look, "marker": "+", "markersize": 7.0}


def _dots(mark: Mark) -> dict[str, Any]:
    """Teacher particles as open squares, students as small dots."""
    look = {"color": mark.colour, "marker": mark.marker, "linestyle": "none"}
    if mark == TEACHER:
        return {**look, "markersize": 4.5, "markerfacecolor": "none", "markeredgewidth": 0.8, "zorder": 6}
    return {**look, "marker": "o", "markersize": 2.2, "markeredgewidth": 0.0, "alpha": 0.7, "zorder": 5}


@dataclass(frozen=True)
class Movie:
    """A cloud moving in mean-field time.

    times : (T,) increasing.  particles : (T, N, p), NaN from a divergence on.  basis : (p, r) orthonormal, of E^G.
    teacher : (M, p) or None.  mark : the look of the particles, one of ``SCHEMES`` for example.
    """

    times: FloatArray
    particles: FloatArray
    basis: FloatArray
    teacher: FloatArray | None = None
    mark: Mark = SCHEMES["vanilla"]


def _scene(movie: Movie) -> tuple[Figure, Callable[[int], None]]:
    """The figure of a movie and the function that shows its k-th time: a view in space and one along E^G."""
    shown = [] if movie.teacher is None else [(TEACHER, movie.teacher)]
    clouds = [(movie.mark, movie.particles[0]), *shown]
    path = movie.particles.reshape(-1, movie.particles.shape[2])
    frame = frame_of(movie.basis, path, *(z for _, z in shown))
    half = reach(frame, path, *(z for _, z in shown))
    figure = Figure(figsize=(6.4, 3.2))
    in_space = draw_space(figure.add_axes((0.0, 0.0, 0.5, 1.0), projection="3d"), frame, clouds, half)[0]
    axes = figure.add_axes((0.57, 0.15, 0.4, 0.75))
    along = draw_side(axes, frame, clouds, half)[0]
    axes.set(xlabel="first direction of $E^G$", ylabel="leading direction off $E^G$")

    def show(k: int) -> None:
        coordinates = frame.coordinates(movie.particles[k])
        in_space.set_data_3d(*coordinates.T)
        along.set_data(*coordinates[:, [0, 2]].T)
        axes.set_title(f"{movie.mark.label}, $t$ = {movie.times[k]:.3g}")

    return figure, show


def _writer(suffix: str, fps: int) -> Any:
    """A writer of matplotlib's for ``.gif`` or ``.mp4``; MfsymError if the machine has none."""
    if suffix == ".gif":
        return PillowWriter(fps=fps)
    if suffix != ".mp4":
        raise MfsymError(f"an animation is a .gif or an .mp4, got {suffix or 'no suffix'!r}")
    if not FFMpegWriter.isAvailable():
        raise MfsymError("an .mp4 needs ffmpeg, which is not on the path; install it or write a .gif")
    return FFMpegWriter(fps=fps, metadata={"creation_time": "1970-01-01T00:00:00"})


def animate(movie: Movie, path: Path, *, seconds: float = 8.0) -> None:
    """Write a movie as ``path``, .gif or .mp4, whole or not at all; it lasts ``seconds``.

    Raises MfsymError for another suffix, and for .mp4 where ffmpeg is absent; StoreError without a temporary folder.
    """
    writer = _writer(path.suffix, fps=max(1, round(len(movie.times) / seconds)))
    try:
        scratch = tempfile.TemporaryDirectory()
    except OSError as error:
        raise StoreError(f"a movie needs a temporary folder: {error.strerror or error}; set TMPDIR") from error
    with scratch as folder, matplotlib.rc_context(RC):
        whole = Path(folder) / path.name
        figure, show = _scene(movie)
        with writer.saving(figure, str(whole), dpi=150):
            for k in range(len(movie.times)):
                show(k)
                writer.grab_frame()
        publish(path, whole.read_bytes())
