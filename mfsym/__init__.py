"""Symmetries in wide neural networks.

mfsym trains wide networks in the mean-field regime, where the law of the parameters evolves under noisy gradient
descent. A group may act on the data, the prediction or the parameters; mfsym measures how far the law is from
symmetric. Source of the mathematics: Maass Martinez & Fontbona,
"Symmetries in Overparametrized Neural Networks: A Mean-Field View", NeurIPS 2024, arXiv:2405.19995.

Names are imported from their modules on first use, so ``import mfsym`` is fast.
"""

from __future__ import annotations

import importlib as _importlib
from typing import Any as _Any

from mfsym.paths import keep_former_paths as _keep_former_paths
from mfsym.version import __version__

_keep_former_paths()

_EXPORTS: dict[str, str] = {
    **dict.fromkeys(
        ("MfsymError", "NotEquivariant", "NotSymmetric", "Diverged", "TransportFailed", "StoreError"), "errors"
    ),
    "SweepIncomplete": "errors",
    **dict.fromkeys(("Group", "trivial", "cyclic", "dihedral", "symmetric", "signed_permutations"), "groups"),
    **dict.fromkeys(("product", "from_generators", "so", "o", "u1"), "groups"),
    **dict.fromkeys(("Representation", "Subspace", "hom"), "representations"),
    **dict.fromkeys(("w2", "rmd2", "quotient_w2", "second_moment"), "transport"),
    **dict.fromkeys(("Unit", "MatrixUnit", "UVUnit", "UserUnit", "MLPUnit", "Gated", "Normed", "Activation"), "units"),
    "FunctionUnit": "units",
    **dict.fromkeys(("Ensemble", "gaussian", "init_particles", "symmetrised"), "ensembles"),
    **dict.fromkeys(("Data", "Teacher", "reference_teacher", "reference_unit"), "data.teachers"),
    **dict.fromkeys(("Evaluation", "accuracy", "distance2_to_si", "distance_wi", "evaluate", "risks"), "metrics"),
    **dict.fromkeys(("rmd2_si", "rmd2_symmetrised", "w2_symmetrised"), "metrics"),
    **dict.fromkeys(("NullLevel", "null_level"), "metrics.nulls"),
    "symmetrise": "schemes.readouts",
    **dict.fromkeys(("fit_weights", "NetworkFit", "EnsembleFit"), "dynamics.fitting"),
    **dict.fromkeys(("SCHEMES", "Scheme", "LiftedBatches", "Mark", "Orbit", "get_scheme"), "schemes"),
    **dict.fromkeys(("FunctionData",), "data.teachers"),
    **dict.fromkeys(("Gaussian", "Uniform", "Sphere"), "data.inputs"),
    **dict.fromkeys(("SampleData",), "data.datasets"),
    **dict.fromkeys(("cloud_from_layers", "clouds_from_blocks", "with_constant_input"), "data.networks"),
    **dict.fromkeys(("Problem", "load_problem"), "problems"),
    **dict.fromkeys(("NoisySGD", "State"), "dynamics"),
    "step_together": "dynamics.together",
    "stream_key": "streams",
    **dict.fromkeys(("Accuracy", "MeanFieldFlow", "start_cloud"), "flows"),
    **dict.fromkeys(("Quotient", "Langevin", "Confinement"), "quotients"),
    **dict.fromkeys(("orbit_w2", "coverage", "populations"), "quotients"),
    "Search": "discovery",
    "ResNetSGD": "dynamics.resnets",
    **dict.fromkeys(("flow", "phase_portrait"), "experiments.limits"),
    **dict.fromkeys(("Study", "converge", "fit_slope"), "experiments.convergence"),
    "trace": "discovery.traces",
    "si_against_wi": "experiments.counterexample",
    **dict.fromkeys(("Cell", "simulate", "compare", "discover", "measure", "run_cell"), "experiments"),
    **dict.fromkeys(("distance_between", "distance_to"), "experiments"),
    **dict.fromkeys(("Interpolant",), "quotients.interpolants"),
    **dict.fromkeys(("Templates",), "quotients.templates"),
    **dict.fromkeys(("Integration", "sample"), "quotients.sampling"),
    **dict.fromkeys(("learn",), "quotients.denoisers"),
    **dict.fromkeys(("Shapes", "load_shapes"), "quotients.shape_files"),
    **dict.fromkeys(("LatentAction",), "latents.actions"),
    **dict.fromkeys(("Pairs", "load_pairs"), "latents.pairs"),
    **dict.fromkeys(("digit_pairs",), "latents.digits"),
    **dict.fromkeys(("AutoencoderSGD", "LossWeights"), "dynamics.autoencoders"),
    **dict.fromkeys(("Coder",), "dynamics.coders"),
    **dict.fromkeys(("EnsembleTraining", "train_ensembles"), "dynamics.ensemble_latents"),
    **dict.fromkeys(("follow_ensembles",), "experiments.latent_ensembles"),
    **dict.fromkeys(("discover_charges",), "latents.discovery"),
    **dict.fromkeys(("train_latent", "discover_latent", "traverse"), "experiments.latent_runs"),
    **dict.fromkeys(("sample_shapes", "compare_samplers"), "experiments.diffusions"),
    **dict.fromkeys(("sweep", "open_result", "save_result"), "sweeps"),
}
"""Public names and their modules."""

__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> _Any:
    """Import a public name, or a submodule, on first use (PEP 562)."""
    if name in _EXPORTS:
        value = getattr(_importlib.import_module(f"mfsym.{_EXPORTS[name]}"), name)
    else:
        try:
            value = _importlib.import_module(f"mfsym.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"mfsym.{name}":
                raise
            raise AttributeError(f"module 'mfsym' has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, and nothing else."""
    return list(__all__)
