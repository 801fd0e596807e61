"""Mixtures of shapes in every orientation, and their exact denoisers: diffusion without training.

x_1 = g T_j: a template T_j drawn with weight w_j, turned by a uniform rotation g. The posterior mean of x_1 given x_t
is known in closed form in the plane (Bessel functions) and by one-dimensional integrals in space (T. Lee, Bayesian
attitude estimation with the matrix Fisher distribution on SO(3), IEEE Trans. Automat. Contr. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats, as_whole
from mfsym.errors import MfsymError
from mfsym.groups import so
from mfsym.quotients.interpolants import before_the_end
from mfsym.quotients.kernels.templates import ALIGNED, MEAN, PROCRUSTES, planar_denoised, spatial_denoised
from mfsym.quotients.orbits import Quotient
from mfsym.streams import stream_key, uniforms

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

KINDS = {"mean": MEAN, "aligned": ALIGNED, "procrustes": PROCRUSTES}
"""What a denoiser of templates averages over the posterior: g T_j itself (exact), g T_j aligned to x (what GeoDiff's
loss teaches), or g T_j aligned to the denoised cloud (AlphaFold 3's loss). The last is for space only."""

WEIGHT_TOLERANCE = 1e-6
"""How far from 1 the sum of weights may be, which are then rescaled."""


class Draw(NamedTuple):
    """Samples x_1: clouds (N, p), and the template (N,) that each was made from."""

    clouds: Floats
    template: Numbers


class Templates:
    """A mixture of J templates, each of n points in R^d, d = 2 or 3, in uniform orientation; and its denoiser D(x, t).

    clouds : (J, n, d), point n of one template belongs to point n of the others.  weights : (J,), sum 1; equal if None.
    kind : "mean", the exact denoiser E[x_1 | x_t = x]; "aligned", the minimiser of GeoDiff's loss; "procrustes",
    that of AlphaFold 3's, in space.
    centred : whether clouds and noise have their mean at 0.

    Calling it with clouds x, (N, n d) or (N, n, d), and t in [0, 1) gives D(x, t) in the shape of x.
    Raises MfsymError for templates of different sizes, of one point if centred, of points that all coincide, that are
    not finite, and for weights that are negative or do not sum to 1.

    >>> square = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    >>> Templates([square])([square], 0.9).round(6)[0, 0].tolist()
    [0.99861, 0.0]
    """

    def __init__(
        self,
        clouds: ArrayLike | Sequence[ArrayLike],
        weights: ArrayLike | None = None,
        kind: str = "mean",
        centred: bool = True,
    ) -> None:
        self.centred = bool(centred)
        self.clouds = _checked_clouds(clouds, self.centred)
        self.weights = _checked_weights(weights, len(self.clouds))
        self.kind = as_choice(kind, "kind", KINDS)
        if self.kind == "procrustes" and self.point_dim == 2:
            raise MfsymError("kind procrustes needs templates in space; in the plane use mean or aligned")

    @property
    def points(self) -> int:
        """n, points of a cloud."""
        return int(self.clouds.shape[1])

    @property
    def point_dim(self) -> int:
        """d, 2 or 3."""
        return int(self.clouds.shape[2])

    @cached_property
    def quotient(self) -> Quotient:
        """Clouds modulo rotations, and modulo translations if centred."""
        return Quotient(self.points * so(self.point_dim).vector(), centred=self.centred and self.points > 1)

    def of_kind(self, kind: str) -> Templates:
        """The same mixture with the denoiser of another kind."""
        return Templates(self.clouds, self.weights, kind, self.centred)

    def __call__(self, x: ArrayLike, t: float) -> Floats:
        return self._denoised(x, t)[0]

    def log_density(self, x: ArrayLike, t: float) -> Floats:
        """log of the density of x_t at x, (N,), up to a constant that depends on t only. 0 <= t < 1."""
        clouds, evidence = self._denoised(x, t)[1:]
        return np.asarray(evidence - (clouds**2).sum(axis=(1, 2)) / (2.0 * (1.0 - t) ** 2))

    def draw(self, seed: int, n: int, step: int = 0) -> Draw:
        """n samples of x_1: a function of (seed, step) alone."""
        count, at = as_whole(n, "n", 1), as_whole(step, "step", 0)
        u = uniforms(stream_key(seed, "data"), at, count, 1)[:, 0]
        template = np.minimum(np.searchsorted(np.cumsum(self.weights), u, side="right"), len(self.clouds) - 1)
        group = self.quotient.rep.group
        rotations = group.defining(group.haar(stream_key(seed, "haar"), at, count))
        turned = np.einsum("sij,snj->sni", rotations, self.clouds[template])
        return Draw(turned.reshape(count, -1), template)

    def nearest(self, x: ArrayLike) -> tuple[Numbers, Floats]:
        """The nearest template on the quotient (N,) of clouds x, and the distance to it (N,)."""
        table = self.quotient.distances(self.clouds.reshape(len(self.clouds), -1), as_floats(x, "x"))
        nearest = np.argmin(table, axis=0)
        return nearest, table[nearest, np.arange(table.shape[1])]

    def _denoised(self, x: ArrayLike, t: float) -> tuple[Floats, Floats, Floats]:
        """D in the shape of x, the clouds (N, n, d) it is of, and the log evidence (N,)."""
        time, given = before_the_end(t), as_floats(x, "x")
        clouds = self._as_clouds(given)
        denoised, evidence = np.empty_like(clouds), np.empty(len(clouds))
        J = len(self.clouds)
        with np.errstate(divide="ignore"):
            weights = np.log(self.weights)
        kernel: Any = planar_denoised if self.point_dim == 2 else spatial_denoised
        work = np.zeros((J, 4) if self.point_dim == 2 else (J + 2, max(4, self.points, J), 3, 3))
        kernel(clouds, time, self.clouds, weights, KINDS[self.kind], work, denoised, evidence)
        return denoised.reshape(given.shape), clouds, evidence

    def _as_clouds(self, x: Floats) -> Floats:
        n, d = self.points, self.point_dim
        if not (x.ndim == 2 and x.shape[1] == n * d) and not (x.ndim == 3 and x.shape[1:] == (n, d)):
            raise MfsymError(f"x must have shape (N, {n * d}) or (N, {n}, {d}) as the templates have, got {x.shape}")
        if not np.isfinite(x).all():
            raise MfsymError("x must be finite, got NaN or inf; drop those clouds first")
        clouds = np.ascontiguousarray(x).reshape(len(x), n, d)
        return clouds - clouds.mean(axis=1, keepdims=True) if self.centred else clouds

    def __repr__(self) -> str:
        J, n, d = self.clouds.shape
        return f"<Templates: {J} of {n} points in R^{d}, kind {self.kind}>"


def _checked_clouds(clouds: ArrayLike | Sequence[ArrayLike], centred: bool) -> Floats:
    """Templates (J, n, d), centred where asked for."""
    if isinstance(clouds, np.ndarray):
        parts = list(as_floats(clouds, "templates")) if clouds.ndim else []
    elif isinstance(clouds, Sequence):
        parts = [as_floats(cloud, f"template {j}") for j, cloud in enumerate(clouds)]
    else:
        parts = list(np.atleast_1d(as_floats(clouds, "templates")))
    if not parts:
        raise MfsymError("templates must hold at least one cloud, got none")
    for j, cloud in enumerate(parts):
        if cloud.ndim != 2 or cloud.shape[1] not in (2, 3) or not len(cloud):
            raise MfsymError(f"template {j} must have shape (n, 2) or (n, 3), n >= 1, got {cloud.shape}")
        if cloud.shape != parts[0].shape:
            raise MfsymError(
                f"templates must be of one size, got {parts[0].shape} for template 0 and {cloud.shape} for template {j}"
            )
        if not np.isfinite(cloud).all():
            raise MfsymError(f"template {j} must be finite, got NaN or inf")
        _check_extent(cloud, j, centred)
    found = np.array(parts)
    return found - found.mean(axis=1, keepdims=True) if centred else found


def _check_extent(cloud: Floats, j: int, centred: bool) -> None:
    """Refuse clouds that every rotation fixes."""
    if centred and len(cloud) < 2:
        raise MfsymError(f"template {j} has one point, which centring moves to 0; give 2 or more, or centred=False")
    if centred and not np.ptp(cloud, axis=0).any():
        raise MfsymError(f"template {j} has {len(cloud)} points that all coincide; rotations do not move it")
    if not centred and not cloud.any():
        raise MfsymError(f"template {j} has all its points at 0; rotations do not move it")


def _checked_weights(weights: ArrayLike | None, count: int) -> Floats:
    """Weights (J,) that sum to 1."""
    found = np.full(count, 1.0 / count) if weights is None else as_floats(weights, "weights")
    if found.shape != (count,):
        raise MfsymError(f"weights must be one for each of the {count} templates, got shape {found.shape}")
    if not (np.isfinite(found).all() and (found >= 0.0).all()):
        raise MfsymError(f"weights must be finite and >= 0, got {found[~(found >= 0.0) | ~np.isfinite(found)][0]:g}")
    total = float(found.sum())
    if abs(total - 1.0) > WEIGHT_TOLERANCE:
        raise MfsymError(f"weights must sum to 1, got {total:.9g}; divide them by it")
    return found / total
