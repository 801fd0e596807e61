"""The data dictionary: name, dimensions, type and meaning of everything a result may hold.

Every Dataset that mfsym writes passes through ``annotate``, which refuses undeclared names, wrong dimensions and wrong
types, and fills the attributes of each variable from this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mfsym.errors import MfsymError

if TYPE_CHECKING:
    import xarray as xr

NAME_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a variable, dimension or cell may be called."""

STATUSES = ("ok", "diverged", "failed", "missing")
"""ok: finite to the end; diverged: stopped at ``diverged_step``; failed: raised; missing: not run yet."""


@dataclass(frozen=True)
class Variable:
    """One entry: ``dims`` are the last dimensions it must have, in order; a sweep puts its own in front."""

    name: str
    kind: str
    doc: str
    units: str = "1"
    dims: tuple[str, ...] = ()

    @property
    def attrs(self) -> dict[str, str]:
        """The attributes written beside the values."""
        return {"long_name": self.doc, "units": self.units}


KINDS = {"float": "f", "int": "iu", "text": "UOST", "number": "iuf"}
"""NumPy kind codes that each declared kind accepts."""

_ENTRIES = (
    Variable("status", "text", "ok, diverged, failed or missing"),
    Variable("diverged_step", "int", "first step whose result was not finite, -1 if none", "step"),
    Variable("seconds", "float", "wall time spent on the cell", "s"),
    Variable("seconds_measured", "float", "wall time of that spent on distances and risks, after training", "s"),
    Variable("risk", "float", "population risk E|model(x) - y|^2 of the scheme's model", "|y|^2"),
    Variable("risk_bare", "float", "population risk E|Phi(x) - y|^2 of the bare model", "|y|^2"),
    Variable("risk_error", "float", "stated error of the risk as an integral over the inputs", "|y|^2"),
    Variable("risk_bare_error", "float", "stated error of risk_bare as an integral over the inputs", "|y|^2"),
    Variable("rmd2_si", "float", "squared RMD of the law to its projection on E^G"),
    Variable("rmd2_symmetrised", "float", "squared RMD of the law to its symmetrised law"),
    Variable("distance_wi", "float", "W2 distance to the weakly invariant laws (upper bound where not exact)", "|z|"),
    Variable("distance_wi_lower", "float", "lower bound on the W2 distance to the weakly invariant laws", "|z|"),
    Variable("distance_wi_upper", "float", "upper bound on the W2 distance to the weakly invariant laws", "|z|"),
    Variable("rmd2_pair", "float", "squared RMD between the laws of two schemes of one replicate", dims=("other",)),
    Variable("l2_symmetrisation", "float", "L2 distance of the scheme's model to its own symmetrisation", "|y|"),
    Variable("l2_target", "float", "L2 distance of the scheme's model to f_*", "|y|"),
    Variable("l2_symmetrised_target", "float", "L2 distance of the scheme's model to Q_G f_*", "|y|"),
    Variable("equivariance_error", "float", "mean squared equivariance error of the scheme's model", "|y|^2"),
    Variable("l2_symmetrisation_error", "float", "stated error of l2_symmetrisation as an integral over x", "|y|"),
    Variable("l2_target_error", "float", "stated error of l2_target as an integral over x", "|y|"),
    Variable("l2_symmetrised_target_error", "float", "stated error of l2_symmetrised_target over x", "|y|"),
    Variable("equivariance_error_error", "float", "stated error of equivariance_error as an integral over x", "|y|"),
    Variable("accuracy", "float", "share of test inputs whose class the scheme's model names"),
    Variable("accuracy_moved", "float", "accuracy on inputs moved by the group, over all elements but the identity"),
    Variable("profile", "float", "prediction of the scheme's model along the first axis", "|y|", ("radius",)),
    Variable("target", "float", "f_* along the first axis", "|y|", ("radius",)),
    Variable("radius", "float", "place on the first axis", "|x|"),
    Variable("law", "text", "kind of law: strongly (si) or weakly (wi) invariant"),
    Variable("second_moment", "float", "second moment E|z|^2 of the law", "|z|^2"),
    Variable("particles", "float", "parameters of the units", "|z|", ("particle", "param")),
    Variable("energy", "float", "population risk plus tau E|z|^2 of the scheme", "|y|^2"),
    Variable("dissipated", "float", "energy lost so far, the integral of alpha E|gradient|^2", "|y|^2"),
    Variable(
        "energy_defect",
        "float",
        "energy plus dissipated minus the energy at the start, by the flow's own rule",
        "|y|^2",
    ),
    Variable("error_w2", "float", "estimated W2 error of the law: distance to a coarser flow", "|z|"),
    Variable("error_risk", "float", "absolute difference of the risk from the limit's or a coarser flow's", "|y|^2"),
    Variable("error_force", "float", "relative error of the gradient as an integral over the data, NaN if unknown"),
    Variable("quadrature_order", "int", "nodes per input dimension of the flow's product rule; all of a sampled one's"),
    Variable("w2_limit", "float", "W2 distance of the law to the mean-field limit", "|z|"),
    Variable("rmd2_limit", "float", "squared RMD of the law to the mean-field limit"),
    Variable("error_mean", "float", "distance |E z - limit| of the mean particle from the limit's", "|z|"),
    Variable("error_second_moment", "float", "absolute difference of E|z|^2 from the limit's", "|z|^2"),
    Variable("error_prediction", "float", "L2 distance of the bare prediction from the limit's", "|y|"),
    Variable("slope", "float", "slope of log(root mean square over replicates) against log N"),
    Variable("slope_lower", "float", "lower end of the bootstrap confidence interval of the slope"),
    Variable("slope_upper", "float", "upper end of the bootstrap confidence interval of the slope"),
    Variable("observable", "text", "what is compared with the limit"),
    Variable("limit_risk", "float", "risk of the mean-field limit", "|y|^2"),
    Variable("limit_risk_error", "float", "stated error of limit_risk as an integral over the inputs", "|y|^2"),
    Variable("limit_rmd2_si", "float", "squared RMD of the mean-field limit to its projection on E^G"),
    Variable("limit_second_moment", "float", "second moment E|z|^2 of the mean-field limit", "|z|^2"),
    Variable("limit_error_w2", "float", "estimated W2 error of the mean-field limit's cloud", "|z|"),
    Variable("limit_particles", "float", "particles of the mean-field limit", "|z|", ("limit_particle", "param")),
    Variable("limit_particle", "int", "index of a particle of the mean-field limit"),
    Variable("step", "int", "step j of the discovery, from the subspace E_j"),
    Variable("direction", "int", "index of a vector of a basis"),
    Variable("dimension", "int", "dimension of the subspace E_j"),
    Variable("rmd2", "float", "squared RMD to the projection on E_j after training"),
    Variable("rmd2_before", "float", "squared RMD to the projection on E_j before training"),
    Variable("statistic", "float", "what the rule compares with its threshold"),
    Variable("threshold", "float", "value of the statistic above which E_j is left"),
    Variable("left", "int", "1 where E_j is left, 0 where it is kept"),
    Variable("residual_spectrum", "float", "root mean square residual along its principal directions", "|z|"),
    Variable("angle", "float", "largest principal angle between E_j and E^G restricted to the smaller one", "rad"),
    Variable("mean_share", "float", "size |E r| of the mean residual over the root mean square (E|r|^2)^(1/2)"),
    Variable("case", "text", "a problem and a rule of a study of discoveries"),
    Variable("rule", "text", "rule of the discovery"),
    Variable("answer_dimension", "int", "dimension of the subspace that was not left"),
    Variable("answer_angle", "float", "largest principal angle between that subspace and E^G", "rad"),
    Variable("found", "int", "1 where the answer is E^G, within the tolerance on the angle"),
    Variable("dimension_fixed", "int", "dimension of E^G"),
    Variable("basis", "float", "orthonormal basis of E_j, padded with NaN", dims=("param", "direction")),
    Variable("fixed_basis", "float", "orthonormal basis of E^G", dims=("param", "direction")),
    Variable("particles_before", "float", "particles before the step's training", "|z|", ("particle", "param")),
    Variable("particles_after", "float", "particles after the step's training", "|z|", ("particle", "param")),
    Variable("teacher_particles", "float", "particles of the teacher", "|z|", ("teacher_particle", "param")),
    Variable("teacher_particle", "int", "index of a particle of the teacher"),
    Variable(
        "drift",
        "float",
        "velocity of a particle at each point of E^G, in coordinates of E^G",
        "|z|",
        ("second", "first", "coordinate"),
    ),
    Variable("first", "float", "first coordinate in E^G", "|z|"),
    Variable("second", "float", "second coordinate in E^G", "|z|"),
    Variable("coordinate", "int", "index of a coordinate in E^G"),
    Variable("particles_fixed", "float", "coordinates in E^G of the particles", "|z|", ("particle", "coordinate")),
    Variable("teacher_fixed", "float", "coordinates in E^G of the teacher", "|z|", ("teacher_particle", "coordinate")),
    Variable("time", "float", "mean-field time t = steps / N"),
    Variable("teacher", "text", "target law: arbitrary, weakly or strongly invariant"),
    Variable("init", "text", "start law: weakly (wi) or strongly (si) invariant"),
    Variable("scheme", "text", "where the group enters"),
    Variable("other", "text", "the scheme compared with"),
    Variable("n", "int", "number N of particles"),
    Variable("replicate", "int", "replicate: one start, data and noise shared by all schemes"),
    Variable("particle", "int", "index of a particle"),
    Variable("param", "int", "index of a parameter of one unit (row-major)"),
    Variable("alpha", "float", "step size alpha of the mean-field dynamics"),
    Variable("tau", "float", "weight tau of the penalty |z|^2"),
    Variable("beta", "float", "temperature beta of the noise"),
    Variable("batch_size", "int", "samples B per step"),
    Variable("horizon", "float", "mean-field time T at the end of training"),
    Variable("unit", "text", "kind of unit"),
    Variable("activation", "text", "activation of the unit"),
    Variable("dtype", "text", "arithmetic of the training"),
)

VARIABLES: dict[str, Variable] = {entry.name: entry for entry in _ENTRIES}
"""The dictionary, by name."""

TIMINGS = frozenset({"seconds", "seconds_measured"})
"""Variables that are measurements of the machine: left out of every content digest."""


def check_name(name: str, where: str) -> str:
    """Return ``name`` if it is safe as a variable, dimension or file name; MfsymError otherwise."""
    if not NAME_PATTERN.fullmatch(name) or name in (".", ".."):
        raise MfsymError(f"{where}: names must match [A-Za-z0-9._-]{{1,64}}, got {name[:80]!r}")
    return name


def _check(variable: xr.DataArray, entry: Variable) -> None:
    """Refuse an array whose type or last dimensions are not what the dictionary declares."""
    kind = variable.dtype.kind
    if kind not in KINDS[entry.kind]:
        raise MfsymError(f"{entry.name} must be of kind {entry.kind}, got dtype {variable.dtype}")
    tail = tuple(str(name) for name in variable.dims[len(variable.dims) - len(entry.dims) :])
    if entry.dims and tail != entry.dims:
        raise MfsymError(f"{entry.name} must end in dimensions {entry.dims}, got {tuple(map(str, variable.dims))}")


def validate(dataset: xr.Dataset) -> None:
    """Refuse a Dataset with an undeclared variable or dimension, a wrong type or wrong last dimensions.

    Raises MfsymError that names the variable.
    """
    for name in map(str, dataset.dims):
        if name not in VARIABLES:
            raise MfsymError(f"dimension {name!r} is not in the data dictionary; declare it in mfsym.variables")
    for label, variable in dataset.variables.items():
        name = str(label)
        if name not in VARIABLES:
            raise MfsymError(f"variable {name!r} is not in the data dictionary; declare it in mfsym.variables")
        _check(dataset[name], VARIABLES[name])
        if name == "status":
            unknown = set(variable.values.astype(str).ravel()) - set(STATUSES)
            if unknown:
                raise MfsymError(f"status must be one of {', '.join(STATUSES)}, got {sorted(unknown)[0]!r}")


def annotate(dataset: xr.Dataset) -> xr.Dataset:
    """The same Dataset, validated, each variable with its attributes from the dictionary."""
    validate(dataset)
    for label in dataset.variables:
        dataset[label].attrs.update(VARIABLES[str(label)].attrs)
    return dataset
