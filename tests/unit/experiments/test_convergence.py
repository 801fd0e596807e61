"""Convergence: fitted slopes, their intervals, the Dataset of ``converge``."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.configurations.cells import Cell
from mfsym.data.teachers import reference_teacher
from mfsym.errors import MfsymError
from mfsym.experiments.convergence import Study, converge, fit_slope, slope_records, slope_table
from mfsym.flows import Accuracy
from mfsym.streams import normals, stream_key
from tests.sizes import compiled
from tests.tolerances import ALGEBRA

KEY = stream_key(31, "teacher")
SIZES = np.array([10, 30, 100, 300, 1000])


def test_an_exact_power_law_has_its_slope_and_no_interval():
    slope = fit_slope(SIZES, np.outer(SIZES**-0.5, np.ones(4)))
    assert abs(slope.value + 0.5) <= ALGEBRA
    assert slope.upper - slope.lower <= ALGEBRA
    assert abs(fit_slope(SIZES, np.outer(SIZES**-1.5, np.ones(4)), power=1).value + 1.5) <= ALGEBRA


def test_intervals_cover_the_slope_of_noisy_data_and_not_another():
    inside = 0
    for step in range(40):
        values = np.abs(normals(KEY, step, 5, 20)) / np.sqrt(SIZES)[:, None]
        slope = fit_slope(SIZES, values, seed=step)
        inside += int(slope.lower <= -0.5 <= slope.upper)
        assert not slope.lower <= -1.0 <= slope.upper
    assert inside >= 32


def test_replicates_that_are_not_finite_are_left_out():
    values = np.outer(SIZES**-0.5, np.ones(4))
    values[2, 1] = np.nan
    assert abs(fit_slope(SIZES, values).value + 0.5) <= ALGEBRA


@pytest.mark.parametrize(
    ("sizes", "values"), [([10], [[1.0]]), ([10, 20], [[1.0], [np.nan]]), ([10, 20], [[1.0], [0.0]])]
)
def test_slopes_refuse_what_cannot_be_fitted(sizes, values):
    with pytest.raises(MfsymError, match="a slope needs"):
        fit_slope(sizes, values)


@compiled
def test_converge_is_a_dataset_a_table_and_records():
    teacher = reference_teacher("wi")
    cell = Cell(schemes=("vanilla",), alpha=5.0)
    study = Study((4, 8), 3, (0.5, 1.0), 16)
    dataset = converge(cell, study, teacher, teacher.unit, accuracy=Accuracy(order=8))
    assert dict(dataset.error_mean.sizes) == {"n": 2, "replicate": 3, "time": 2}
    assert (dataset.limit_error_w2 > dataset.limit_error_time).all()
    assert (dataset.limit_error_time > 0.0).all()
    assert dataset.slope.dims == ("observable", "time")
    assert (dataset.slope_lower <= dataset.slope).all()
    assert len(slope_records(dataset)) == dataset.slope.size
    assert len(slope_table(dataset).splitlines()) == 1 + dataset.slope.size
