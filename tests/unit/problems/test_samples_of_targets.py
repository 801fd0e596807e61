"""A target that is learnt from finitely many samples: ``samples`` in [target]."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.data.datasets import SampleData
from mfsym.data.teachers import Teacher
from mfsym.errors import MfsymError
from mfsym.problems import load_problem, parse_text
from mfsym.problems.building import TEST_SAMPLES

TEXT = """
[group]
name = "cyclic(2)"
[representations]
x = "permutation"
y = "permutation"
[unit]
kind = "matrix"
activation = "tanh"
[target]
random = 3
symmetry = "wi"
"""


def test_a_target_with_samples_is_the_law_of_that_many_and_is_judged_on_others():
    whole, few, fewer = (parse_text(TEXT + line) for line in ("", "samples = 30\n", "samples = 20\n"))
    assert isinstance(whole.data, Teacher)
    assert isinstance(few.data, SampleData)
    data = few.data
    assert data.x.shape == (30, 2)
    assert data.test_x.shape == (TEST_SAMPLES, 2)
    assert data.symmetry is None
    for x, y in ((data.x, data.y), (data.test_x, data.test_y)):
        assert np.abs(whole.data.target(x) - y).max() < 1e-12
    both = np.concatenate([data.x, data.test_x])
    assert len(np.unique(both, axis=0)) == len(both)
    assert np.array_equal(fewer.data.x, data.x[:20])
    assert not np.array_equal(parse_text(TEXT + "samples = 30\nseed = 1\n").data.x, data.x)


def test_the_number_of_samples_is_checked():
    with pytest.raises(MfsymError, match="samples"):
        parse_text(TEXT + "samples = 0\n")


def test_the_problem_of_the_figure_ways_has_few_samples():
    assert len(load_problem("c4-samples").data.x) == 40
