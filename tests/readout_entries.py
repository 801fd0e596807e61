"""The entries of the data dictionary about read-outs: small results, and slow formulas for each entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from mfsym.configurations.symmetrisers import SymmetrisersFile
from mfsym.data.datasets import SampleData
from mfsym.experiments import compare
from mfsym.experiments.readout_studies import study_readouts
from mfsym.experiments.symmetrisations import half_domain, turned_digits
from mfsym.groups import cyclic
from mfsym.problems import Problem
from mfsym.streams import normals, stream_key
from mfsym.units import UVUnit

SWAP = np.array([[0.0, 1.0], [1.0, 0.0]])
SMALL = {"n": 6, "horizon": 0.5, "alpha": 5.0, "tau": 0.01, "beta": 1e-3, "batch_size": 4, "dtype": "float64"}
NAMES = ("equitune", "equizero", "equizero:entropy")
STUDY = SymmetrisersFile(seeds=1, seed=2, backbones=["prototypes"], n=40, horizon=20.0)


def problem() -> Problem:
    """Two classes that C_2 exchanges, 12 samples to train on and 12 to judge by."""
    rho = cyclic(2).permutation()
    x = normals(stream_key(5, "data"), 0, 24, 2)
    y = np.eye(2)[(x[:, 0] + 0.5 * x[:, 1] > 0.2).astype(int)]
    data = SampleData((x[:12], y[:12]), (x[12:], y[12:]), name="two classes", classes=2)
    return Problem("two classes", UVUnit("tanh", rho, rho), data, "cross-entropy")


def readout_results() -> dict[str, xr.Dataset]:
    """A comparison with read-outs, and a study of one model of digits and a student that is trained briefly."""
    compared = compare(problem(), schemes=("vanilla", "da", "fa"), readouts=NAMES, init="wi", **SMALL)
    return {"read": compared, "read_study": study_readouts(STUDY)}


def model(scheme: str, z: Any, x: Any) -> Any:
    """v tanh(u.x / 2), averaged over particles, and over the swap for FA."""

    def phi(points: Any) -> Any:
        return (np.tanh(points @ z[:, :2].T / 2.0) @ z[:, 2:]) / len(z)

    return 0.5 * (phi(x) + phi(x @ SWAP) @ SWAP) if scheme == "fa" else phi(x)


def chances(scores: Any) -> Any:
    grown = np.exp(scores)
    return grown / grown.sum(axis=1, keepdims=True)


PROXIES: dict[str, Callable[[Any], Any]] = {
    "equizero": lambda scores: -scores.max(axis=1),
    "equizero:entropy": lambda scores: -(chances(scores) * np.log(chances(scores))).sum(axis=1),
}


def read(name: str, scheme: str, z: Any, x: Any) -> Any:
    """A model behind a read-out over C_2, view by view."""
    raw = [model(scheme, z, x), model(scheme, z, x @ SWAP)]
    if name == "none":
        return raw[0]
    table = np.stack([raw[0], raw[1] @ SWAP])
    if name == "equitune":
        return table.mean(axis=0)
    losses = np.stack([PROXIES[name](each) for each in raw])
    ties = np.abs(losses[0] - losses[1]) < 1e-12
    return np.where(ties[:, None], table.mean(axis=0), table[losses.argmin(axis=0), np.arange(len(x))])


def over_readings(data: xr.Dataset, formula: Callable[[str, str, Any], float]) -> Any:
    """(scheme, replicate, readout) of formula(readout, scheme, particles)."""
    clouds = data["particles"].transpose("scheme", "replicate", "particle", "param").values
    names, schemes = data["readout"].values, data["scheme"].values
    return np.array([[[formula(str(n), str(s), z) for n in names] for z in clouds[k]] for k, s in enumerate(schemes)])


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9, atol=1e-12)


def check_readings(results: Any) -> None:
    """Risks, accuracies and equivariance errors on the test samples, from the views themselves."""
    data, known = results.read, problem().data
    x, y = known.test_x, known.test_y  # type: ignore[attr-defined]

    def risk(name: str, scheme: str, z: Any) -> float:
        return float(-(y * np.log(chances(read(name, scheme, z, x)))).sum(axis=1).mean())

    def hits(name: str, scheme: str, z: Any) -> float:
        return float((read(name, scheme, z, x).argmax(axis=1) == y.argmax(axis=1)).mean())

    def uneven(name: str, scheme: str, z: Any) -> float:
        gap = read(name, scheme, z, x @ SWAP) @ SWAP - read(name, scheme, z, x)
        return float(np.sqrt(0.5 * (gap**2).sum(axis=1).mean()))

    assert list(data["readout"].values) == ["none", *NAMES]
    order = ("scheme", "replicate", "readout")
    close(data["risk_read"].transpose(*order).values, over_readings(data, risk))
    close(data["accuracy_read"].transpose(*order).values, over_readings(data, hits))
    close(data["equivariance_error_read"].transpose(*order).values, over_readings(data, uneven))
    assert data["equivariance_error_read"].sel(scheme="vanilla", readout="none").item() > 1e-3
    for name in ("risk_read_error", "equivariance_error_read_error"):
        assert (data[name].values == 0.0).all()


def check_passes(results: Any) -> None:
    """One pass of a plain model and two of an averaged one; a read-out over C_2 takes each twice."""
    data = results.read.transpose("scheme", "replicate", "readout", ...)
    assert data["passes"].values[:, 0].tolist() == [[1, 2, 2, 2], [1, 2, 2, 2], [2, 4, 4, 4]]
    assert data["passes_training"].values[:, 0].tolist() == [1, 2, 2]


def check_study(results: Any) -> None:
    """The study holds what its two functions say of each seed, under the names of the read-outs."""
    data, digits, student = results.read_study, turned_digits("prototypes", 2), half_domain(2, 40, 20.0)
    assert list(data["backbone"].values) == ["prototypes"]
    close(data["accuracy_upright"].values, [[digits["upright"]]])
    close(data["risk"].values, [student["on"]])
    accuracy, error = data["accuracy_read"].sel(backbone="prototypes"), data["risk_read"]
    for name, key in (("none", "turned"), ("equitune", "equitune"), ("equizero:max-score", "equizero, max-score")):
        close(accuracy.sel(readout=name).values, [digits[key]])
    for name, key in (("none", "off"), ("equizero:own", "equizero"), ("lambda:ensemble", "lambda, ensemble")):
        close(error.sel(readout=name).values, [student[key]])
    assert np.isnan(accuracy.sel(readout="equizero:own").item())
    assert np.isnan(error.sel(readout="equizero:max-prob").item())


READOUT_CHECKS: dict[Callable[[Any], None], tuple[str, ...]] = {
    check_readings: (
        "risk_read",
        "risk_read_error",
        "accuracy_read",
        "equivariance_error_read",
        "equivariance_error_read_error",
        "readout",
    ),
    check_passes: ("passes", "passes_training"),
    check_study: ("accuracy_upright", "backbone"),
}
"""Check to the entries that it is of."""
