"""The Kozachenko-Leonenko entropy of a Gaussian."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.streams import normals, stream_key
from mfsym.transport import knn_entropy
from tests.tolerances import STAT

KEY = stream_key(19, "teacher")


@pytest.mark.parametrize("p", [1, 3])
def test_the_entropy_of_a_gaussian_is_estimated_within_its_error(p):
    found = knn_entropy(2.0 * normals(KEY, 60, 2000, p))
    assert abs(found.value - 0.5 * p * np.log(2.0 * np.pi * np.e * 4.0)) <= STAT * found.standard_error
    with pytest.raises(MfsymError, match="between 1 and N - 1"):
        knn_entropy(np.zeros((3, 1)))
    assert knn_entropy(np.zeros((9, 1))).value == -np.inf
