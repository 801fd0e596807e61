"""mfsym.engines.jax on several devices: the particles are shared, and the steps are those of one device."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.meta.sources import ROOT
from tests.tolerances import ENGINES, SPLIT

pytest.importorskip("jax", reason="needs the extra jax: pip install 'mfsym[jax]'")

SCRIPT = """
import json
import jax
from mfsym.engines import runs_at_once
from tests.engine_cases import EngineCase, distance, start_of

found = {"devices": jax.local_device_count()}
for scheme, n in (("fa", 300), ("ea", 1000)):
    case = EngineCase(scheme=scheme)
    start = start_of(case.dynamics(), n)
    shared, alone = (case.dynamics(engine="jax", device=device).step(start, 60).z for device in (None, "cpu:0"))
    found[scheme] = distance(shared, alone), distance(alone, start.z)
    again = case.dynamics(engine="jax").step(start, 60).z
    found[scheme + " again"] = distance(again, shared), 1.0
ended = EngineCase(unit="identity", options={"alpha": 1e6})
start = start_of(ended.dynamics(), 6)
found["ends"] = [ended.dynamics(engine="jax", device=device).step(start, 400).step for device in (None, "cpu:0")]
found["at once"] = runs_at_once("jax")
print(json.dumps(found))
"""


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_shared_particles_move_as_on_one_device(count):
    flags = f"--xla_force_host_platform_device_count={count}"
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["devices"] == count
    for scheme in ("fa", "ea"):
        error, motion = found[scheme]
        assert error < ENGINES
        assert motion > SPLIT
        assert found[f"{scheme} again"][0] == 0.0
    assert found["ends"][0] == found["ends"][1]
    assert found["at once"] == 1
