"""The reference experiment at N = 50 and 100, 10 replicates, t = 20, against an independent double-precision program.

Maass Martínez & Fontbona 2024, section 4 and appendix F. Means and standard deviations over 10 replicates of another
implementation with another random generator; agreement means within STAT standard errors of the difference.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest

from mfsym.data.teachers import reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.metrics import risks, rmd2_si
from mfsym.schemes import get_scheme
from tests.sizes import compiled
from tests.tolerances import SINGLE_SI, SINGLE_SI_UNSTABLE, STAT
from tests.trainings import EXACT

pytestmark = compiled

REPLICATES = 10
HORIZON = 20

RMD2 = {
    ("arbitrary", "vanilla"): {50: (9.4e-2, 2e-3), 100: (9.3e-2, 3e-3)},
    ("arbitrary", "da-sampled"): {50: (3.7e-2, 2e-2), 100: (1.8e-2, 5e-3)},
    ("wi", "vanilla"): {50: (1.8e-4, 1e-4), 100: (3.8e-5, 2e-5)},
    ("wi", "da-sampled"): {50: (2.0e-4, 2e-4), 100: (2.8e-5, 1e-5)},
    ("si", "vanilla"): {50: (2.2e-4, 2e-4), 100: (1.7e-4, 2e-4)},
}
"""Mean and standard deviation of RMD^2 to E^G by (teacher, scheme), then N."""

RISK = {
    ("wi", "vanilla"): (1.9e-6, 0.3e-6),
    ("wi", "da"): (1.9e-6, 0.3e-6),
    ("wi", "da-sampled"): (1.9e-6, 0.3e-6),
    ("wi", "fa"): (1.9e-6, 0.3e-6),
    ("wi", "ea"): (1.9e-6, 0.3e-6),
    ("arbitrary", "vanilla"): (4.2e-6, None),
    ("arbitrary", "da"): (3.32e-2, None),
    ("arbitrary", "fa"): (3.32e-2, None),
    ("arbitrary", "ea"): (3.32e-2, None),
}
"""Population risk of the scheme's model at N = 100: mean, and standard deviation where it is known."""

ROUNDED = {"vanilla": 0.05e-6, "da": 0.005e-2, "fa": 0.005e-2, "ea": 0.005e-2}
"""Half a unit in the last printed digit of the arbitrary teacher's risks."""


@cache
def _ends(teacher, scheme, n, dtype="float64", engine="numba"):
    """Final particles of the replicates, from an SI start with projected noise."""
    data = reference_teacher(teacher)
    dynamics = NoisySGD(data.unit, scheme, data, projected_noise=True, dtype=dtype, engine=engine)
    starts = [init_particles(data.unit, "si", n, seed=0, replicate=k) for k in range(REPLICATES)]
    states = [dynamics.step(dynamics.init(z, replicate=k), HORIZON * n) for k, z in enumerate(starts)]
    assert [state.status for state in states] == ["ok"] * REPLICATES
    return [state.z for state in states]


def _score(values, mean, deviation):
    """|difference of means| in standard errors, both over REPLICATES."""
    return abs(np.mean(values) - mean) / np.sqrt((np.var(values, ddof=1) + deviation**2) / REPLICATES)


def _rmd2(teacher, scheme, n, dtype="float64", engine="numba"):
    space = reference_teacher(teacher).unit.fixed_subspace
    return [rmd2_si(z, space) for z in _ends(teacher, scheme, n, dtype, engine)]


@pytest.mark.parametrize("n", [50, 100])
@pytest.mark.parametrize(("teacher", "scheme"), RMD2)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_distances_to_si_agree_with_the_reference(teacher, scheme, n, dtype):
    mean, deviation = RMD2[teacher, scheme][n]
    assert _score(_rmd2(teacher, scheme, n, dtype), mean, deviation) < STAT


QUICK = ("arbitrary", "vanilla", 50, "float32")
"""The entry that the engine in JAX meets by default."""


@pytest.mark.parametrize(
    ("teacher", "scheme", "n", "dtype"),
    [
        pytest.param(*entry, marks=() if entry == QUICK else pytest.mark.slow)
        for entry in ((*key, n, dtype) for key, n, dtype in product(RMD2, [50, 100], ["float64", "float32"]))
    ],
)
def test_distances_of_the_engine_in_jax_agree_with_the_reference(teacher, scheme, n, dtype):
    pytest.importorskip("jax", reason="jax is not installed: pip install 'mfsym[jax]'")
    mean, deviation = RMD2[teacher, scheme][n]
    assert _score(_rmd2(teacher, scheme, n, dtype, "jax"), mean, deviation) < STAT


def test_the_scores_see_the_wrong_number_of_particles_and_the_wrong_teacher():
    mean, deviation = RMD2["wi", "vanilla"][50]
    assert _score(_rmd2("wi", "vanilla", 400), mean, deviation) > STAT
    assert _score(_rmd2("arbitrary", "vanilla", 50), mean, deviation) > STAT


def test_the_scores_of_the_engine_in_jax_see_the_wrong_teacher():
    pytest.importorskip("jax", reason="jax is not installed: pip install 'mfsym[jax]'")
    mean, deviation = RMD2["wi", "vanilla"][50]
    assert _score(_rmd2(*QUICK, "jax"), mean, deviation) > STAT


@pytest.mark.parametrize("n", [50, 100])
@pytest.mark.parametrize("teacher", ["wi", "si", "arbitrary"])
def test_exact_schemes_stay_in_the_fixed_subspace(teacher, n):
    bound = SINGLE_SI_UNSTABLE if teacher == "arbitrary" else SINGLE_SI
    for scheme in EXACT:
        assert max(_rmd2(teacher, scheme, n, "float32")) <= bound
        assert max(_rmd2(teacher, scheme, n)) <= bound**2
    assert min(_rmd2(teacher, "vanilla", n, "float32")) > bound


@pytest.mark.parametrize(("teacher", "scheme"), RISK)
@pytest.mark.parametrize("engine", ["numba", pytest.param("jax", marks=pytest.mark.slow)])
def test_population_risks_agree_with_the_reference(teacher, scheme, engine):
    if engine == "jax":
        pytest.importorskip("jax", reason="jax is not installed: pip install 'mfsym[jax]'")
    data = reference_teacher(teacher)
    model = get_scheme(scheme, data.unit)
    values = [risks(model, data, z, engine=engine)[0] for z in _ends(teacher, scheme, 100, "float64", engine)]
    mean, deviation = RISK[teacher, scheme]
    if deviation is None:
        error = np.std(values, ddof=1) * np.sqrt(2.0 / REPLICATES)
        assert abs(np.mean(values) - mean) < STAT * error + ROUNDED[scheme]
    else:
        assert _score(values, mean, deviation) < STAT
        assert _score(1.5 * np.array(values), mean, deviation) > STAT


def test_an_fa_student_has_a_good_average_and_a_poor_bare_model_from_a_wi_start():
    data = reference_teacher("wi")
    dynamics = NoisySGD(data.unit, "fa", data, dtype="float64")
    state = dynamics.step(dynamics.init(init_particles(data.unit, "wi", 100, seed=0)), HORIZON * 100)
    averaged, bare = risks(dynamics.scheme, data, state.z)
    assert bare > 10.0 * averaged
