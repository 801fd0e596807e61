"""Names of the arrays that signatures speak of, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Numbers in double precision."""

Elements = NDArray[Any]
"""A batch of group elements: indices (n,) of a finite group, defining matrices (n, k, k) of a continuous one."""

Function = Callable[[Floats], Floats]
"""A function of each number of an array."""
