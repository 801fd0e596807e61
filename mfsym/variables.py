"""The data dictionary: name, dimensions, type and meaning of every variable in a result.

Every Dataset that mfsym writes passes through ``annotate``, which rejects undeclared names, wrong dimensions and wrong
types, and fills the attributes of each variable from this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mfsym.configurations.parameters import PARAMETERS, Parameter
from mfsym.errors import MfsymError

if TYPE_CHECKING:
    import xarray as xr

NAME_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Valid names of variables, dimensions and cells."""

STATUSES = ("ok", "drifted", "singular", "diverged", "failed", "missing")
"""Statuses of a run.

ok : finite to the end.  drifted : finite, but rounding drove it out of E^G at ``drifted_step`` although the scheme
preserves E^G.  singular : finite, but horizontal noise met a particle whose orbit had lost a dimension.
diverged : stopped at ``diverged_step``.  failed : raised an error.  missing : not run yet."""


LOSSES = {
    "quadratic": ("|yhat - y|^2", "|y|^2"),
    "cross-entropy": ("-sum_j y_j log softmax(yhat)_j", "nat"),
    "logistic": ("sum_j log(1 + exp(-y_j yhat_j))", "nat"),
}
"""Formula and unit of each loss l(yhat, y), which replace ``{formula}`` and ``{loss}`` in entries."""


@dataclass(frozen=True)
class Variable:
    """One entry. ``dims`` are its last dimensions, in order; a sweep prepends its own.

    units : in terms of y, z, x, the mean-field time t, a step, and ``{loss}``, the unit of the Dataset's loss.
    """

    name: str
    kind: str
    doc: str
    units: str = "1"
    dims: tuple[str, ...] = ()

    def attrs(self, loss: str = "quadratic") -> dict[str, str]:
        """The attributes of the variable in a Dataset with this loss, a name in LOSSES."""
        formula, unit = LOSSES[loss]
        doc = self.doc.replace("{formula}", formula)
        return {"long_name": doc, "units": self.units.replace("{loss}", unit)}


KINDS = {"float": "f", "int": "iu", "text": "UOST", "number": "iuf"}
"""NumPy kind codes that each declared kind accepts."""

_ENTRIES = (
    Variable("status", "text", "ok, drifted, singular, diverged, failed or missing"),
    Variable(
        "diverged_step", "int", "steps done when particles or prediction stopped being finite, -1 if never", "step"
    ),
    Variable("drifted_step", "int", "first step off E^G by rounding, if the scheme preserves E^G; -1 if none", "step"),
    Variable("precision", "text", "floating-point precision of the run: float32 or float64"),
    Variable("seconds", "float", "wall time of the cell, including compilation if not cached", "s"),
    Variable("seconds_measured", "float", "part of the wall time spent on distances and risks, after training", "s"),
    Variable(
        "risk",
        "float",
        "risk E l(model(x), y) of the scheme's model, for samples the held-out mean, l = {formula}",
        "{loss}",
    ),
    Variable(
        "risk_bare",
        "float",
        "risk E l(Phi(x), y) of the bare model, for samples the held-out mean, l = {formula}",
        "{loss}",
    ),
    Variable("risk_error", "float", "stated error of the risk as an integral over the inputs", "{loss}"),
    Variable("risk_bare_error", "float", "stated error of risk_bare as an integral over the inputs", "{loss}"),
    Variable("rmd2_si", "float", "squared RMD of the law to its projection on E^G"),
    Variable("rmd2_floor", "float", "squared RMD below which values are rounding noise"),
    Variable("rmd2_symmetrised", "float", "squared RMD of the law to its symmetrised law"),
    Variable("rmd2_symmetrised_error", "float", "quadrature error of rmd2_symmetrised, for an infinite group"),
    Variable("null_symmetrised", "float", "median rmd2_symmetrised of clouds transformed by Haar elements"),
    Variable("null_symmetrised_lower", "float", "lower end of the central 95 % band of the transformed clouds"),
    Variable("null_symmetrised_upper", "float", "upper end of the central 95 % band of the transformed clouds"),
    Variable("p_value_symmetrised", "float", "p-value of rmd2_symmetrised, small if the law is asymmetric"),
    Variable(
        "distance_wi", "float", "W2 distance to the weakly invariant laws: distance_wi_upper, exact for |G| <= 2", "|z|"
    ),
    Variable("distance_wi_lower", "float", "lower bound on the W2 distance to the weakly invariant laws", "|z|"),
    Variable("distance_wi_upper", "float", "upper bound on the W2 distance to the weakly invariant laws", "|z|"),
    Variable("rmd2_pair", "float", "squared RMD between the laws of two schemes of one replicate", dims=("other",)),
    Variable("l2_symmetrisation", "float", "L2 distance of the scheme's model to its own symmetrisation", "|y|"),
    Variable("l2_target", "float", "L2 distance of the scheme's model to f_*", "|y|"),
    Variable("l2_symmetrised_target", "float", "L2 distance of the scheme's model to Q_G f_*", "|y|"),
    Variable(
        "equivariance_error", "float", "root mean square of rho_hat_g^-1 model(rho_g x) - model(x) over x and g", "|y|"
    ),
    Variable(
        "equivariance_error_group", "float", "quadrature error of equivariance_error, for an infinite group", "|y|"
    ),
    Variable("l2_symmetrisation_error", "float", "stated error of l2_symmetrisation as an integral over x", "|y|"),
    Variable("l2_target_error", "float", "stated error of l2_target as an integral over x", "|y|"),
    Variable("l2_symmetrised_target_error", "float", "stated error of l2_symmetrised_target over x", "|y|"),
    Variable("equivariance_error_error", "float", "stated error of equivariance_error as an integral over x", "|y|"),
    Variable("accuracy", "float", "share of test inputs classified correctly by the scheme's model"),
    Variable("accuracy_moved", "float", "accuracy on inputs transformed by group elements other than the identity"),
    Variable("risk_read", "float", "risk E l(model(x), y) of a model behind a read-out, l = {formula}", "{loss}"),
    Variable("risk_read_error", "float", "stated error of risk_read as an integral over the inputs", "{loss}"),
    Variable("equivariance_error_read", "float", "equivariance_error of a model behind a read-out", "|y|"),
    Variable("equivariance_error_read_error", "float", "stated error of equivariance_error_read over x", "|y|"),
    Variable("accuracy_read", "float", "share of test inputs whose class a model behind a read-out names"),
    Variable("accuracy_upright", "float", "accuracy of the model on inputs as it was trained on"),
    Variable("passes", "int", "forward passes of the network that reading one input takes"),
    Variable("passes_training", "int", "forward passes of the network for one sample of a batch of training"),
    Variable("readout", "text", "how a model is read over the orbit of its input: none, or a read-out, and its proxy"),
    Variable("backbone", "text", "a model of upright digits or words"),
    Variable("profile", "float", "prediction of the scheme's model along the first axis", "|y|", ("radius",)),
    Variable("target", "float", "f_* along the first axis", "|y|", ("radius",)),
    Variable("radius", "float", "position on the first axis", "|x|"),
    Variable("law", "text", "kind of law: strongly (si) or weakly (wi) invariant"),
    Variable("second_moment", "float", "second moment E|z|^2 of the law", "|z|^2"),
    Variable("particles", "float", "parameters of the units", "|z|", ("particle", "param")),
    Variable(
        "energy", "float", "risk on training data as the scheme presents them, plus tau E|z|^2, l = {formula}", "{loss}"
    ),
    Variable(
        "dissipated", "float", "energy dissipated so far, integral of alpha E|gradient|^2 dt, NaN with noise", "{loss}"
    ),
    Variable(
        "energy_defect",
        "float",
        "energy plus dissipated minus initial energy, by the flow's quadrature, NaN with noise",
        "{loss}",
    ),
    Variable(
        "error_w2",
        "float",
        "estimated W2 error of the law: distance to a flow with half as many particles, plus error_time",
        "|z|",
    ),
    Variable(
        "error_time",
        "float",
        "part of error_w2 due to the time step: W2 distance to the law at twice the step; NaN without noise",
        "|z|",
    ),
    Variable(
        "error_risk",
        "float",
        "absolute difference of the risk from the limit's or a coarser flow's, l = {formula}",
        "{loss}",
    ),
    Variable("error_force", "float", "relative error of the gradient as an integral over the data, NaN if unknown"),
    Variable("quadrature_order", "int", "nodes per input dimension of a product rule, all nodes of a sampled one"),
    Variable("w2_limit", "float", "W2 distance of the law to the mean-field limit", "|z|"),
    Variable("rmd2_limit", "float", "squared RMD of the law to the mean-field limit"),
    Variable("error_mean", "float", "distance |E z - limit| between the mean particle and that of the limit", "|z|"),
    Variable("error_second_moment", "float", "absolute difference between E|z|^2 and its limit", "|z|^2"),
    Variable("error_prediction", "float", "L2 distance between the bare prediction and that of the limit", "|y|"),
    Variable("slope", "float", "slope of log(root mean square) against log N, or of log(mean) for squared RMDs"),
    Variable("slope_lower", "float", "lower end of the bootstrap confidence interval of the slope"),
    Variable("slope_upper", "float", "upper end of the bootstrap confidence interval of the slope"),
    Variable("observable", "text", "observable compared with the limit"),
    Variable("limit_risk", "float", "risk E l(model(x), y) of the mean-field limit, l = {formula}", "{loss}"),
    Variable("limit_risk_error", "float", "stated error of limit_risk as an integral over the inputs", "{loss}"),
    Variable("limit_rmd2_si", "float", "squared RMD of the mean-field limit to its projection on E^G"),
    Variable("limit_second_moment", "float", "second moment E|z|^2 of the mean-field limit", "|z|^2"),
    Variable("limit_error_w2", "float", "estimated W2 error of the mean-field limit's cloud", "|z|"),
    Variable("limit_error_time", "float", "part of limit_error_w2 due to the time step, with noise", "|z|"),
    Variable("limit_particles", "float", "particles of the mean-field limit", "|z|", ("limit_particle", "param")),
    Variable("limit_particle", "int", "index of a particle of the mean-field limit"),
    Variable("step", "int", "step j of the discovery, from the subspace E_j"),
    Variable("direction", "int", "index of a basis vector"),
    Variable("dimension", "int", "dimension of the subspace E_j, -1 if the step was not taken"),
    Variable("rmd2", "float", "squared RMD of particles_after to E_j, for the paper's rule a mean over trainings"),
    Variable("rmd2_before", "float", "squared RMD to the projection on E_j before training"),
    Variable("statistic", "float", "test statistic that the rule compares with its threshold"),
    Variable("threshold", "float", "value of the statistic above which the law leaves E_j"),
    Variable("left", "int", "1 if the law leaves E_j, 0 if it stays or the step was not taken"),
    Variable("resolution", "float", "smallest statistic at which the rule can detect a departure"),
    Variable("control", "float", "statistic of the control data, whose target has an asymmetric part"),
    Variable("verdict", "text", "left, kept (control data would have moved the law out) or undecided"),
    Variable("reason", "text", "reason for the verdict"),
    Variable("answer_verdict", "text", "found if the last subspace is kept, undecided otherwise"),
    Variable("answer_reason", "text", "why the last subspace is kept or undecided"),
    Variable("wrong", "int", "1 if the rule reports a subspace other than E^G"),
    Variable("undecided", "int", "1 if the rule cannot decide"),
    Variable("residual_spectrum", "float", "root mean square residual along its principal directions", "|z|"),
    Variable("angle", "float", "largest angle between a vector of E_j and E^G", "rad"),
    Variable("mean_share", "float", "|E r| / (E|r|^2)^(1/2) of the residual r, 1 if there is no residual"),
    Variable("case", "text", "problem and rule in a study of discoveries"),
    Variable("rule", "text", "rule of the discovery"),
    Variable("answer_dimension", "int", "dimension of the last subspace"),
    Variable("answer_angle", "float", "largest principal angle to E^G, pi/2 if dimensions differ", "rad"),
    Variable("found", "int", "1 if the rule reports E^G correctly, within the tolerance on the angle"),
    Variable("dimension_fixed", "int", "dimension of E^G"),
    Variable("basis", "float", "orthonormal basis of E_j, padded with NaN", dims=("param", "direction")),
    Variable(
        "fixed_basis",
        "float",
        "orthonormal basis of E^G, padded with NaN in a discovery",
        dims=("param", "direction"),
    ),
    Variable("particles_before", "float", "particles before the step's training", "|z|", ("particle", "param")),
    Variable(
        "particles_after",
        "float",
        "particles after the first training of the step",
        "|z|",
        ("particle", "param"),
    ),
    Variable("teacher_particles", "float", "particles of the teacher", "|z|", ("teacher_particle", "param")),
    Variable("teacher_particle", "int", "index of a particle of the teacher"),
    Variable(
        "drift",
        "float",
        "velocity of a particle at each point of E^G, in coordinates of E^G",
        "|z|/t",
        ("second", "first", "coordinate"),
    ),
    Variable("first", "float", "first coordinate in E^G", "|z|"),
    Variable("second", "float", "second coordinate in E^G", "|z|"),
    Variable("coordinate", "int", "index of a coordinate in E^G"),
    Variable("particles_fixed", "float", "coordinates in E^G of the particles", "|z|", ("particle", "coordinate")),
    Variable("teacher_fixed", "float", "coordinates in E^G of the teacher", "|z|", ("teacher_particle", "coordinate")),
    Variable("clouds", "float", "points of the sampled clouds", "|x|", ("sample", "point", "axis")),
    Variable("nearest", "int", "number of the shape that a sampled cloud is nearest to, modulo the group"),
    Variable("distance_nearest", "float", "RMSD of a sampled cloud to its nearest template, modulo the group", "|x|"),
    Variable("singular_step", "int", "step before which the orbit had lost dimension, -1 if never", "step"),
    Variable("paths", "float", "the first sampled clouds after every step", "|x|", ("sample_kept", "point", "axis")),
    Variable("templates", "float", "points of the templates", "|x|", ("template", "point", "axis")),
    Variable("template_weight", "float", "weight of a template in the mixture", dims=("template",)),
    Variable("template_shape", "int", "number of the shape that a template is a labelled image of", dims=("template",)),
    Variable("weight", "float", "weight of a shape in the mixture", dims=("shape",)),
    Variable("population", "float", "share of the sampled clouds that are nearest to a shape", dims=("shape",)),
    Variable("total_variation", "float", "total variation of the recovered populations from the weights"),
    Variable("total_variation_error", "float", "standard error of total_variation"),
    Variable("total_variation_expected", "float", "mean total_variation of samples of the weights themselves"),
    Variable("coverage", "float", "share of the templates within the radius of a sampled cloud, modulo the group"),
    Variable("amr", "float", "mean over the templates of the least RMSD to a sampled cloud", "|x|"),
    Variable("rmsd", "float", "root mean square RMSD of sampled clouds to their nearest templates", "|x|"),
    Variable(
        "w2_quotient", "float", "W2 distance modulo the group from the first thousand samples to the mixture", "|x|"
    ),
    Variable("psnr", "float", "-10 log10 of the mean squared error of D rho_g E x1 for x2, held out", "dB"),
    Variable("ssim", "float", "mean structural similarity of D rho_g E x1 to x2, held out"),
    Variable(
        "latent_error",
        "float",
        "mean of |rho_g E x1 - E x2| over that of |E x2 - its mean|, held out; NaN if E x2 is constant",
    ),
    Variable(
        "decoder_consistency",
        "float",
        "root mean square of D rho_g rho_h E x - D rho_g E D rho_h E x over that of x about its mean",
    ),
    Variable("psnr_copy", "float", "psnr of x1 itself as the answer for x2", "dB"),
    Variable("psnr_whole_image", "float", "psnr of x1 turned as a whole image", "dB"),
    Variable("psnr_linear", "float", "psnr of a linear encoder and decoder with the action, held out", "dB"),
    Variable("latent_error_linear", "float", "latent_error of the linear encoder"),
    Variable("psnr_swap", "float", "psnr of D(varying latents of A, invariant ones of B) for digit A, square B", "dB"),
    Variable("psnr_swap_varying", "float", "psnr of image A itself in the swap test", "dB"),
    Variable("psnr_swap_invariant", "float", "psnr of image B itself in the swap test", "dB"),
    Variable("network_weights", "float", "all weights of encoder and decoder in one row", dims=("weight_index",)),
    Variable("inputs", "float", "the first inputs x1 that are measured on", dims=("sample", "pixel")),
    Variable("truth", "float", "a measured input at every angle, from its own on", dims=("sample", "turn", "pixel")),
    Variable("orbit", "float", "one input followed round the group", dims=("row", "turn", "pixel")),
    Variable("swap_answer", "float", "D(varying latents of A, invariant ones of B)", dims=("sample", "pixel")),
    Variable("swap_varying", "float", "image A of the swap test", dims=("sample", "pixel")),
    Variable("swap_invariant", "float", "image B of the swap test", dims=("sample", "pixel")),
    Variable("swap_target", "float", "digit A with the square of B", dims=("sample", "pixel")),
    Variable("data", "text", "rotated digits, or digits that turn beside a square that does not"),
    Variable("learner", "text", "an encoder and a decoder, and how their latents turn"),
    Variable("turn", "float", "angle of an element in degrees, or its number in a finite group"),
    Variable("row", "text", "how an input is followed: by a latent action, as a whole image, or in truth"),
    Variable("pixel", "int", "index of a pixel, row by row"),
    Variable("weight_index", "int", "index of a weight of encoder and decoder"),
    Variable("angle_found", "float", "angle of all pairs, found without being given, 0 to 180", "degree"),
    Variable("angle_found_error", "float", "standard error of angle_found; 0 if the angle was given", "degree"),
    Variable("angle_true", "float", "angle of all pairs that the data state", "degree"),
    Variable("angle_rival", "float", "another angle that fits as well, with other charges", "degree", ("rival",)),
    Variable("turn_found", "float", "angle by which a plane of latents turns, 0 to 180", "degree", ("plane",)),
    Variable("turn_found_error", "float", "standard error of turn_found", "degree", ("plane",)),
    Variable("charge", "float", "turn of a plane over the angle found", dims=("plane",)),
    Variable("charge_error", "float", "standard error of charge", dims=("plane",)),
    Variable("charge_whole", "int", "whole charge of a plane", dims=("plane",)),
    Variable("single", "int", "1 for a single axis instead of a plane", dims=("plane",)),
    Variable("held_error", "float", "root mean square of W z1 - z2 over that of z2, held out"),
    Variable("held_error_identity", "float", "root mean square of z1 - z2 over that of z2, held out"),
    Variable("psnr_principal", "float", "psnr of the principal components of x2 themselves, held out", "dB"),
    Variable("ensemble", "text", "encoder or decoder, whose law under the latent action is measured"),
    Variable("plane", "int", "index of a plane or axis of latents"),
    Variable("rival", "int", "index of another angle"),
    Variable("range_lower", "float", "least total_variation that a shapes file expects of a sampler, NaN if none"),
    Variable("range_upper", "float", "largest total_variation that a shapes file expects of a sampler, NaN if none"),
    Variable("sampler", "text", "how a diffusion is followed"),
    Variable("shape", "text", "a shape modulo the group and relabellings"),
    Variable("template", "int", "index of a template"),
    Variable("sample", "int", "number of a sample"),
    Variable("sample_kept", "int", "number of a sample whose path is kept"),
    Variable("point", "int", "index of a point of a cloud"),
    Variable("axis", "text", "coordinate of a point"),
    Variable("time", "float", "mean-field time t = steps / N", "t"),
    Variable("other", "text", "the scheme compared with"),
    Variable("particle", "int", "index of a particle"),
    Variable("param", "int", "index of a parameter of one unit (row-major)"),
)


def dimension_of(parameter: Parameter) -> Variable:
    """The entry of the dimension that a parameter of a training makes."""
    return Variable(parameter.dimension, parameter.kind.variable, parameter.more or parameter.doc, parameter.units)


_DIMENSIONS = tuple(dimension_of(each) for each in PARAMETERS.values() if each.dimension)

VARIABLES: dict[str, Variable] = {entry.name: entry for entry in (*_ENTRIES, *_DIMENSIONS)}
"""The dictionary, by name."""

TIMINGS = frozenset({"seconds", "seconds_measured"})
"""Timings of the machine, excluded from every content digest."""


def check_name(name: str, where: str) -> str:
    """Return ``name`` if it is safe as a variable, dimension or file name; MfsymError otherwise."""
    if not NAME_PATTERN.fullmatch(name) or name in (".", ".."):
        raise MfsymError(f"{where}: names must match [A-Za-z0-9._-]{{1,64}}, got {name[:80]!r}")
    return name


def _check(variable: xr.DataArray, entry: Variable) -> None:
    """MfsymError if the type or last dimensions of an array differ from its entry."""
    kind = variable.dtype.kind
    if kind not in KINDS[entry.kind]:
        raise MfsymError(f"{entry.name} must be of kind {entry.kind}, got dtype {variable.dtype}")
    tail = tuple(str(name) for name in variable.dims[len(variable.dims) - len(entry.dims) :])
    if entry.dims and tail != entry.dims:
        raise MfsymError(f"{entry.name} must end in dimensions {entry.dims}, got {tuple(map(str, variable.dims))}")


def validate(dataset: xr.Dataset) -> None:
    """Check a Dataset for undeclared variables or dimensions, wrong types and wrong last dimensions.

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
    """The same Dataset, validated, each variable with its attributes from the dictionary.

    The Dataset's attribute ``loss`` names the loss of its risks; the default is quadratic.
    """
    validate(dataset)
    loss = str(dataset.attrs.get("loss", "quadratic"))
    if loss not in LOSSES:
        raise MfsymError(f"the attribute loss must be one of {', '.join(LOSSES)}, got {loss[:40]!r}")
    for label in dataset.variables:
        dataset[label].attrs.update(VARIABLES[str(label)].attrs(loss))
    return dataset
