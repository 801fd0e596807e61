"""The parameter ``noise``: its names mean what the older flag said, everywhere it may be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfsym as mf
from mfsym.configurations import Cell, names
from mfsym.configurations.names import AUTO
from mfsym.data.teachers import reference_teacher
from mfsym.dynamics import NOISES, NoisySGD
from mfsym.dynamics.noise_words import noise_of
from mfsym.dynamics.noises import noise_name
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.flows import MeanFieldFlow
from tests.tolerances import SINGLE_SI, SPLIT

TEACHER = reference_teacher("wi")
UNIT = TEACHER.unit
QUICK: dict[str, Any] = {"n": 6, "horizon": 0.5, "alpha": 5.0, "beta": 1e-2, "batch_size": 4}


def _end(init: str, scheme: str = "vanilla", **options: Any) -> np.ndarray:
    """Particles after five steps of loud noise."""
    dynamics = NoisySGD(UNIT, scheme, TEACHER, alpha=1.0, beta=1e-2, dtype="float64", **options)
    return dynamics.step(dynamics.init(init_particles(UNIT, init, 8, seed=3), 3), 5).z


@pytest.mark.parametrize("scheme", ["vanilla", "fa", "ea"])
@pytest.mark.parametrize("init", ["si", "wi"])
def test_the_names_are_the_older_flag_bit_for_bit(init: str, scheme: str) -> None:
    flags = {"isotropic": False, "fixed": True, AUTO: None}
    ends = {name: _end(init, scheme, noise=name) for name in flags}
    for name, flag in flags.items():
        np.testing.assert_array_equal(ends[name], _end(init, scheme, projected_noise=flag))
    np.testing.assert_array_equal(ends[AUTO], ends["fixed" if init == "si" else "isotropic"])
    np.testing.assert_array_equal(ends[AUTO], _end(init, scheme))
    assert np.array_equal(ends["fixed"], ends["isotropic"]) == (scheme == "ea"), "the architecture always projects"


@pytest.mark.parametrize("init", ["si", "wi"])
@pytest.mark.parametrize("name", [AUTO, *NOISES])
def test_the_limit_takes_the_same_names(name: str, init: str) -> None:
    flow = MeanFieldFlow(UNIT, "vanilla", TEACHER, beta=1e-2, noise=name, accuracy=mf.Accuracy(order=4))
    flow.init(mf.start_cloud(UNIT, init, 8))
    inside = name == "fixed" or (name == AUTO and init == "si")
    assert (flow.noise_projector is not None) == inside
    said = name if name in names.ORBIT_NOISES else "isotropic"
    assert noise_of([init], ["vanilla"], [name]) == ("projected" if inside else said)


@pytest.mark.parametrize("make", [NoisySGD, MeanFieldFlow])
def test_other_names_and_contradictions_are_refused(make: Any) -> None:
    known = "auto, isotropic, fixed, horizontal, quotient, drift-form"
    with pytest.raises(MfsymError, match=rf"^noise must be one of {known}, got 'vertical'$"):
        make(UNIT, "vanilla", TEACHER, noise="vertical")
    with pytest.raises(MfsymError, match="projected_noise must be left out beside noise = 'fixed', got False"):
        make(UNIT, "vanilla", TEACHER, noise="fixed", projected_noise=False)
    with pytest.raises(MfsymError, match=r"noise must be one of auto, .*horizontal.*, got 'vertical'"):
        mf.compare("wi", noise="vertical", **QUICK)
    assert noise_name(AUTO, True) == "fixed"
    with pytest.raises(TypeError, match="unexpected keyword argument 'nose'"):
        make(UNIT, "vanilla", TEACHER, nose="fixed")


def test_a_named_noise_goes_from_the_argument_to_the_dataset(tmp_path: Path) -> None:
    runs = {name: mf.simulate("wi", "da", init="si", noise=name, **QUICK) for name in (AUTO, *NOISES)}
    assert [run.attrs["noise"] for run in runs.values()] == ["projected", "isotropic", "projected", *names.ORBIT_NOISES]
    np.testing.assert_array_equal(runs[AUTO]["particles"].values, runs["fixed"]["particles"].values)
    off = {name: float(run["rmd2_si"][-1]) for name, run in runs.items()}
    assert off["isotropic"] > SPLIT > SINGLE_SI > off["fixed"]
    swept = mf.sweep({"noise": [*NOISES], "init": ["si"], "scheme": ["da"], **QUICK}, tmp_path / "a.nc")
    said = "; ".join(f"{name}: {name}" for name in names.ORBIT_NOISES)
    assert swept.attrs["noise"] == f"isotropic: isotropic; fixed: projected; {said}"
    assert swept["risk"].dims == ("teacher", "init", "scheme", "n", "noise", "replicate")
    for name in NOISES:
        assert float(swept["risk"].sel(noise=name).squeeze()) == float(runs[name]["risk"][-1])
    limit = mf.flow("wi", init="si", noise="isotropic", beta=1e-2, n=16, horizon=0.5, alpha=5.0, snapshots=2)
    assert limit.attrs["noise"] == "isotropic"
    assert float(limit["rmd2_si"][-1]) > SPLIT


def test_the_default_noise_changes_the_identity_of_no_cell() -> None:
    assert Cell(noise=AUTO).identity == Cell().identity == "13fd9dec53ba5e5dc0ce90dec4cadbe0"
    assert len({Cell(noise=name).identity for name in (AUTO, *NOISES)}) == len(NOISES) + 1
