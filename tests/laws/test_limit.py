"""Noisy SGD approaches its mean-field limit as N grows, at the rates theory gives."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.configurations.cells import Cell
from mfsym.data.teachers import reference_teacher
from mfsym.experiments.convergence import Study, converge, fit_slope
from mfsym.flows import Accuracy
from tests.sizes import compiled
from tests.tolerances import SLOPE

CELL = Cell(schemes=("vanilla",))
OBSERVABLES = ("error_mean", "error_second_moment", "error_prediction")
ACCURACY = Accuracy(force_tolerance=1e-4, rtol=1e-6)


def measured(sizes, replicates, limit_n, times=(1.0,)):
    data = reference_teacher("wi")
    return converge(CELL, Study(sizes, replicates, times, limit_n), data, data.unit, accuracy=ACCURACY)


@compiled
def test_observables_approach_the_limit_at_the_root_of_n():
    dataset = measured((40, 120, 360), 12, 128)
    for name in OBSERVABLES:
        assert abs(float(dataset.slope.sel(observable=name)[0]) + 0.5) <= SLOPE
    assert float(dataset.slope_upper.sel(observable="rmd2_si")[0]) < -0.5


@compiled
def test_observables_do_not_approach_another_limit():
    """Negative control: distances to twice the limit do not shrink."""
    dataset = measured((50, 450), 4, 64)
    shifted = np.abs(dataset.second_moment.values[:, :, 0] - 2.0 * float(dataset.limit_second_moment[0]))
    assert abs(fit_slope((50, 450), shifted).value) < SLOPE / 2.0


@compiled
@pytest.mark.slow
def test_the_rates_over_two_decades():
    dataset = measured((50, 100, 200, 500, 1000, 2000, 5000), 20, 1024, (1.0, 2.0))
    for name in OBSERVABLES:
        assert np.abs(dataset.slope.sel(observable=name) + 0.5).max() <= 0.1
