"""``seconds`` measures the solve, not the loading of code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sizes import compiled

FIRST_CALL = """
import time
import numpy as np
from mfsym.transport import w2
z = np.arange(2000.0).reshape(500, 4) % 37
started = time.perf_counter()
result = w2(z, z[:, ::-1] + 0.5, method={method!r})
print(result.seconds / (time.perf_counter() - started))
"""


@compiled
@pytest.mark.parametrize("method", ["dense", "auction"])
def test_seconds_count_the_solve_and_not_the_loading_of_code(method):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", FIRST_CALL.format(method=method)]
    share = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert float(share) < 0.6
