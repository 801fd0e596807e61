"""Diffusion on shapes modulo rotations: samples of one sampler, and comparisons of several.

Xu et al. 2026, arXiv:2604.21809. A sampler must recover the populations: the share of samples nearest to each shape.
Coverage is reported as well, but it does not depend on the populations.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice, as_number, as_whole
from mfsym.configurations.shapes import SamplerTable, ShapesFile
from mfsym.errors import MfsymError
from mfsym.quotients import coverage, orbit_w2, populations_of
from mfsym.quotients.denoisers import learn
from mfsym.quotients.interpolants import Interpolant
from mfsym.quotients.sampling import Denoiser, Samples, sample
from mfsym.quotients.shape_files import Shapes, load_shapes
from mfsym.quotients.templates import Templates
from mfsym.runtime.progress import Progress
from mfsym.runtime.provenance import attributes
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

NOISE = {"aligned": "quotient", "drift": "horizontal", "plain": "isotropic"}
"""Maps each integrator to the name of its noise."""

FEW = 1000
"""Largest number of samples used for the W2 distance on the quotient."""

AXES = ("x", "y", "z")


class Twisted:
    """A denoiser plus a vertical field: D(x, t) + twist A x, A the first generator of rotations."""

    def __init__(self, denoiser: Denoiser, templates: Templates, twist: float) -> None:
        self.denoiser, self.templates = denoiser, templates
        self.twist = as_number(twist, "twist")
        self.generator = templates.quotient.rep.group.algebra[0]

    def __call__(self, x: Floats, t: float) -> Floats:
        points = np.asarray(x).reshape(len(x), -1, self.templates.point_dim)
        turned = np.einsum("ij,snj->sni", self.generator, points).reshape(np.shape(x))
        return np.asarray(self.denoiser(x, t) + self.twist * turned)


def sample_shapes(
    shapes: Shapes | Templates | Path | str,
    n: int = 1000,
    *,
    sampler: SamplerTable | None = None,
    seed: int = 0,
    first: int = 0,
    paths: int = 0,
    **keys: Any,
) -> xr.Dataset:
    """Sample a diffusion on shapes modulo rotations and measure the populations: what ``mfsym sample`` writes.

    shapes : Shapes, Templates, or a shapes file.  first : index of the first sample; sample i is a function of
    (seed, i) alone.  paths : number of samples whose whole path is kept.
    sampler : denoiser, loss, twist, method, integrator, curvature_sign, steps; or these as keywords.
    Returns a Dataset: clouds (sample, point, axis), nearest, distance_nearest, singular_step (sample); templates
    (template, point, axis), template_weight, template_shape (template); weight, population (shape); total_variation
    with its error and its expected value for exact sampling; coverage, amr, w2_quotient; paths (time, sample, point,
    axis) if kept.
    """
    import xarray as xr

    known = as_shapes(shapes)
    table = _table(keys) if sampler is None else sampler
    made = _run(known, table, as_whole(n, "n", 1), seed=seed, first=first, paths=paths)
    found = _measures(known, made)
    config = {"shapes": known.name, "n": n, "first": first, **_stated(table, known.file)}
    variables: dict[str, Any] = {name: ((), value) for name, value in found.items() if np.ndim(value) == 0}
    variables |= {"population": ("shape", found["population"])}
    variables |= {name: ("sample", found[name]) for name in ("nearest", "distance_nearest")}
    variables |= {"clouds": (("sample", "point", "axis"), made.clouds)}
    variables |= {"singular_step": ("sample", made.singular_step)} | _scenery(known)
    if paths:
        variables["paths"] = (("time", "sample_kept", "point", "axis"), made.paths)
    coords = _coordinates(known, made if paths else None) | {"sample": first + np.arange(len(made.clouds))}
    dataset = xr.Dataset(
        variables, coords=coords, attrs=attributes("mfsym sample", config, seed, noise=_noise_of(table))
    )
    dataset.attrs["status"] = "singular" if (made.singular_step >= 0).any() else "ok"
    return annotate(dataset)


def compare_samplers(shapes: Shapes | Path | str, *, verbosity: int = -1, **keys: Any) -> xr.Dataset:
    """Compare the samplers of a shapes file over several seeds: what ``mfsym samplers`` writes.

    shapes : Shapes or a file with tables [[sampler]].  keys : samples, replicates, seed; they override the file's.
    Returns a Dataset: total_variation, total_variation_error, total_variation_expected, coverage, amr, w2_quotient,
    rmsd (sampler, replicate), population (sampler, replicate, shape), weight (shape); range_lower, range_upper
    (sampler), NaN where the file states none; templates; paths (sampler, time, sample_kept, point, axis) of the first
    replicate if kept.
    """
    known = as_shapes(shapes)
    for key in keys:
        as_choice(key, "the name of an argument", ("samples", "replicates", "seed"))
    file = known.file.replaced(**keys)
    if not file.sampler:
        raise MfsymError("a comparison needs one table [[sampler]] at least; state them in the shapes file")
    shape = (len(file.sampler), file.replicates)
    rows: list[dict[str, Any]] = []
    trails: list[Samples] = []
    kept = min(file.paths, file.samples)
    with Progress(int(np.prod(shape)), known.name, verbosity=verbosity, unit="run") as progress:
        for a, r in np.ndindex(shape):
            table = file.sampler[a]
            made = _run(known, table, file.samples, seed=file.seed + r, first=0, paths=kept if r == 0 else 0)
            rows.append(_measures(known, made))
            trails += [made] if kept and r == 0 else []
            progress.cell(f"{table.name}, replicate {r}")
    return _comparison(known, file, rows, trails)


def as_shapes(shapes: Shapes | Templates | Path | str) -> Shapes:
    """Shapes from a file or from templates; the latter are named by their index."""
    if isinstance(shapes, Shapes):
        return shapes
    if isinstance(shapes, Templates):
        names = tuple(f"template {k}" for k in range(len(shapes.clouds)))
        return Shapes("templates", shapes, names, np.arange(len(names)), ShapesFile())
    return load_shapes(shapes)


def outside(dataset: xr.Dataset) -> list[str]:
    """One line for each run of a comparison whose total variation lies outside the range given in the shapes file."""
    lines = []
    for name in dataset["sampler"].values:
        one = dataset.sel(sampler=name)
        low, high = float(one["range_lower"]), float(one["range_upper"])
        for replicate, value in zip(one["replicate"].values, one["total_variation"].values, strict=True):
            if np.isfinite(low) and not low <= value <= high:
                lines.append(f"{name}, replicate {replicate}: {value:.4f} is not in [{low:g}, {high:g}]")
    return lines


def _table(keys: dict[str, Any]) -> SamplerTable:
    """The sampler defined by keyword arguments."""
    for key in keys:
        as_choice(key, "the name of an argument", SamplerTable.__struct_fields__)
    return SamplerTable(name="sampler").replaced(**keys)


def _stated(table: SamplerTable, file: ShapesFile) -> dict[str, Any]:
    """The sampler and the other run settings of the shapes file, as JSON values."""
    keys = {"eta": file.eta}
    if table.denoiser == "learned":
        keys |= {"training_steps": file.training_steps, "batch": file.batch}
    return {**table.to_dict(), **keys}


def _run(shapes: Shapes, table: SamplerTable, n: int, *, seed: int, first: int, paths: int) -> Samples:
    """The samples of one sampler."""
    templates = shapes.templates
    if table.denoiser == "learned":
        file = shapes.file
        denoiser: Denoiser = learn(templates, table.loss, steps=file.training_steps, batch=file.batch, seed=seed)
    else:
        denoiser = templates.of_kind(table.denoiser)
    if table.twist:
        denoiser = Twisted(denoiser, templates, table.twist)
    how = {key: getattr(table, key) for key in ("method", "integrator", "curvature_sign", "steps")}
    interpolant = Interpolant(shapes.file.eta)
    return sample(denoiser, interpolant, templates.quotient, n, seed=seed, first=first, paths=paths, **how)


def _measures(shapes: Shapes, made: Samples) -> dict[str, Any]:
    """The measures of one run."""
    templates, quotient = shapes.templates, shapes.templates.quotient
    rows = made.clouds.reshape(len(made.clouds), -1)
    nearest, distance = templates.nearest(rows)
    references = templates.clouds.reshape(len(templates.clouds), -1)
    covered = coverage(rows, references, quotient, shapes.file.radius)
    far = orbit_w2(rows[:FEW], references, quotient, weights_b=templates.weights)
    found = populations_of(shapes.shape[nearest], shapes.weights)
    return {
        "nearest": shapes.shape[nearest],
        "distance_nearest": distance / np.sqrt(templates.points),
        "rmsd": float(np.sqrt((distance**2).mean() / templates.points)),
        "coverage": covered.recall,
        "amr": covered.recall_amr,
        "w2_quotient": float(np.sqrt(max(far.w2_squared, 0.0))),
        "population": found.shares,
        "total_variation": found.total_variation,
        "total_variation_error": found.error,
        "total_variation_expected": found.expected,
    }


def _scenery(shapes: Shapes) -> dict[str, Any]:
    """Variables about the shapes themselves."""
    templates = shapes.templates
    return {
        "templates": (("template", "point", "axis"), templates.clouds),
        "template_weight": ("template", templates.weights),
        "template_shape": ("template", shapes.shape),
        "weight": ("shape", shapes.weights),
    }


def _coordinates(shapes: Shapes, kept: Samples | None) -> dict[str, Any]:
    """Coordinates of the shapes, and of the paths of samples if any were kept."""
    templates = shapes.templates
    coords: dict[str, Any] = {
        "shape": list(shapes.names),
        "template": np.arange(len(templates.clouds)),
        "point": np.arange(templates.points),
        "axis": list(AXES[: templates.point_dim]),
    }
    if kept is not None:
        coords |= {"time": kept.times, "sample_kept": np.arange(kept.paths.shape[1])}
    return coords


PER_RUN = (
    "total_variation",
    "total_variation_error",
    "total_variation_expected",
    "coverage",
    "amr",
    "w2_quotient",
    "rmsd",
)
"""Measures of one run that a comparison keeps."""


def _comparison(shapes: Shapes, file: ShapesFile, rows: list[dict[str, Any]], trails: list[Samples]) -> xr.Dataset:
    import xarray as xr

    shape, dims = (len(file.sampler), file.replicates), ("sampler", "replicate")
    ranges = np.array([each.between or [np.nan, np.nan] for each in file.sampler])
    variables: dict[str, Any] = {name: (dims, np.array([row[name] for row in rows]).reshape(shape)) for name in PER_RUN}
    population = np.array([row["population"] for row in rows]).reshape(*shape, -1)
    variables |= {"population": ((*dims, "shape"), population)} | _scenery(shapes)
    variables |= {"range_lower": ("sampler", ranges[:, 0]), "range_upper": ("sampler", ranges[:, 1])}
    together = bool(trails) and len({each.times.tobytes() for each in trails}) == 1
    if together:
        paths = np.stack([each.paths for each in trails])
        variables["paths"] = (("sampler", "time", "sample_kept", "point", "axis"), paths)
    coords = _coordinates(shapes, trails[0] if together else None)
    coords |= {"sampler": [each.name for each in file.sampler], "replicate": np.arange(file.replicates)}
    config = {"shapes": shapes.name, "samples": file.samples, "replicates": file.replicates, "seed": file.seed}
    config["sampler"] = [_stated(table, file) for table in file.sampler]
    noise = ", ".join(sorted({_noise_of(table) for table in file.sampler}))
    return annotate(
        xr.Dataset(variables, coords=coords, attrs=attributes("mfsym samplers", config, file.seed, noise=noise))
    )


def _noise_of(table: SamplerTable) -> str:
    return "none" if table.method == "ode" else NOISE[table.integrator]
