"""The entries of the data dictionary about diffusions on shapes: small results, and slow formulas for each entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from mfsym.configurations.shapes import SamplerTable, ShapesFile
from mfsym.experiments.diffusions import compare_samplers, sample_shapes
from mfsym.quotients.shape_files import Shapes
from mfsym.quotients.templates import Templates

SQUARE = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
KITE = [[0.9, 0.0], [-0.5, 0.0], [-0.4, 0.9], [0.0, -0.9]]
WEIGHTS = [0.5, 0.3, 0.2]
NAMES = ("square", "kite")
SAMPLES, STEPS = 40, 4

SAMPLERS = [
    SamplerTable(name="ODE", steps=STEPS, between=[0.0, 0.25]),
    SamplerTable(name="SDE", method="sde", steps=STEPS),
]


def shapes() -> Shapes:
    """A square, and a kite in two labelled images; the second is relabelled."""
    relabelled = [KITE[k] for k in (1, 0, 2, 3)]
    file = ShapesFile(sampler=SAMPLERS, samples=SAMPLES, replicates=2, seed=3, paths=3, radius=0.15)
    templates = Templates([SQUARE, KITE, relabelled], WEIGHTS)
    return Shapes("two shapes", templates, NAMES, np.array([0, 1, 1]), file)


def shapes_results() -> dict[str, xr.Dataset]:
    """One result of each command: of a sampler that never becomes singular, of one that does, and a comparison."""
    known = shapes()
    folded = Templates([[[1.0, 0.0]], [[2.0, 0.0]]], centred=False)
    return {
        "sampled": sample_shapes(known, SAMPLES, seed=3, paths=3, steps=STEPS),
        "rays": sample_shapes(folded, 5, seed=3, method="sde", steps=2),
        "samplers": compare_samplers(known),
    }


def complex_of(clouds: Any) -> Any:
    """Centred clouds (..., n, 2) as complex numbers (..., n)."""
    z = clouds[..., 0] + 1j * clouds[..., 1]
    return z - z.mean(axis=-1, keepdims=True)


def distances(data: xr.Dataset, clouds: Any) -> Any:
    """|x - e^(i theta) T|, least over theta: the planar formula, (N, J)."""
    x, templates = complex_of(clouds), complex_of(data["templates"].values)
    sums = (np.abs(x) ** 2).sum(axis=1)[:, None] + (np.abs(templates) ** 2).sum(axis=1)
    return np.sqrt(np.maximum(sums - 2.0 * np.abs(x @ templates.conj().T), 0.0))


def close(found: Any, expected: Any, tolerance: float = 1e-7) -> None:
    """Equal up to an absolute tolerance."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0.0) <= tolerance


def _clouds(results: Any) -> None:
    """The last step of the flow ends at the denoised cloud: on the orbit of a template, or a mean of some."""
    data = results.sampled
    for which, points in (("paths", data["paths"].values), ("clouds", data["clouds"].values[:3])):
        assert np.abs(points.mean(axis=-2)).max() < 1e-9, which
    close(data["paths"].values[-1], data["clouds"].values[:3], 0.0)
    templates = Templates(data["templates"].values, WEIGHTS)
    path, times = data["paths"].values, data["time"].values
    odds = np.log(times[1:-1] / (1.0 - times[1:-1])) + np.log(1.5)
    s = np.arange(1, STEPS) / STEPS
    close(odds, 0.6 * np.log(s / (1.0 - s)), 1e-12)
    for k, t in enumerate(times[:-1]):
        speed = (templates(path[k], float(t)) - path[k]) / (1.0 - t)
        close(path[k + 1], path[k] + speed * (times[k + 1] - t), 1e-9)


def _nearest(results: Any) -> None:
    data = results.sampled
    table = distances(data, data["clouds"].values)
    close(data["nearest"].values, np.array([0, 1, 1])[table.argmin(axis=1)], 0.0)
    close(data["distance_nearest"].values, table.min(axis=1) / 2.0)
    close(data["template_shape"].values, [0, 1, 1], 0.0)


def _shapes(results: Any) -> None:
    for data in (results.sampled, results.samplers):
        square = np.array(SQUARE)
        close(data["templates"].values[0], square)
        close(data["templates"].values[1, [1, 0, 2, 3]], data["templates"].values[2])
        close(data["template_weight"].values, WEIGHTS)
        close(data["weight"].values, [0.5, 0.5])
        assert data["shape"].values.tolist() == list(NAMES)


def _variation(results: Any) -> None:
    data = results.sampled
    shares = np.bincount(np.array([0, 1, 1])[distances(data, data["clouds"].values).argmin(axis=1)], minlength=2)
    shares = shares / SAMPLES
    close(data["population"].values, shares)
    close(data["total_variation"].values, abs(shares[0] - 0.5))
    close(data["total_variation_error"].values, np.sqrt(shares[0] * shares[1] / SAMPLES))
    close(data["total_variation_expected"].values, np.sqrt(2.0 * 0.25 / (np.pi * SAMPLES)))


def _reached(results: Any) -> None:
    """Coverage, its mean distance and the error of the shapes; the transport as an assignment."""
    data = results.sampled
    table = distances(data, data["clouds"].values) / 2.0
    close(data["coverage"].values, (table.min(axis=0) <= 0.15).mean())
    close(data["amr"].values, table.min(axis=0).mean())
    close(data["rmsd"].values, np.sqrt((table.min(axis=1) ** 2).mean()))
    close(data["w2_quotient"].values, np.sqrt(_transport(4.0 * table**2)), 1e-6)


def _transport(costs: Any) -> float:
    """Least cost between SAMPLES atoms and templates of weights WEIGHTS, as an assignment to repeated templates."""
    from scipy.optimize import linear_sum_assignment

    copies = np.repeat(costs, np.round(np.array(WEIGHTS) * SAMPLES).astype(int), axis=1)
    rows, columns = linear_sum_assignment(copies)
    return float(copies[rows, columns].mean())


def _ranges(results: Any) -> None:
    data = results.samplers
    close(data["range_lower"].values[:1], [0.0], 0.0)
    close(data["range_upper"].values[:1], [0.25], 0.0)
    assert np.isnan(data["range_lower"].values[1])
    assert np.isnan(data["range_upper"].values[1])
    assert data["sampler"].values.tolist() == [table.name for table in SAMPLERS]


def _indices(results: Any) -> None:
    data = results.sampled
    expected = {"sample": SAMPLES, "sample_kept": 3, "point": 4, "template": 3}
    for name, size in expected.items():
        assert data[name].values.tolist() == list(range(size))
    assert data["axis"].values.tolist() == ["x", "y"]


def _singular(results: Any) -> None:
    """One point in the plane off 0 has an orbit of dimension 1 at every step."""
    for data in (results.rays, results.sampled):
        assert (data["singular_step"].values == -1).all()


SHAPE_CHECKS: dict[Callable[[Any], None], tuple[str, ...]] = {
    _clouds: ("clouds", "paths"),
    _nearest: ("nearest", "distance_nearest", "template_shape"),
    _shapes: ("templates", "template_weight", "weight", "shape"),
    _variation: ("population", "total_variation", "total_variation_error", "total_variation_expected"),
    _reached: ("coverage", "amr", "rmsd", "w2_quotient"),
    _ranges: ("range_lower", "range_upper", "sampler"),
    _indices: ("sample", "sample_kept", "point", "axis", "template"),
    _singular: ("singular_step",),
}
"""A check to the entries that it works out again."""
