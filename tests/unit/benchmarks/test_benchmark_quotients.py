"""The benchmark of quotients: contenders agree, bounds follow from the figures, the report is written."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import orbits
from tests import naive_quotients as naive
from tests.sizes import compiled
from tests.tolerances import ALGEBRA


def _results(ours: float, peer: float) -> dict:
    """A made-up run."""
    steps = [{"n": 15, "noise": noise, "mfsym": [ours]} for noise in ("quotient", "horizontal")]
    used = [{"clouds": count, "bytes": 100 * count + 1000} for count in (1000, 10_000)]
    row = {"n": 15, "clouds": 1000, "difference": 1e-12, "mfsym": [ours], "numpy": [peer]}
    runs = [
        {"templates": name, "method": method, "samples": samples, "steps": count, "seconds": [6.0 * ours]}
        for name, method, samples, count, _ in orbits.SAMPLING
    ]
    facts = {"machine": {"cores": 2}, "settings": {"points": [15]}}
    return {"alignments": [row], "steps": steps, "diffusions": runs, "memory": used} | facts


@pytest.mark.parametrize(("ours", "peer", "verdict"), [(0.5, 11.0, "yes"), (1.5, 20.0, "**no**")])
def test_bounds_follow_from_the_figures(ours, peer, verdict):
    found = {bound.text: bound.verdict for bound in orbits.bounds(_results(ours, peer))}
    assert found["aligning 1000 clouds of 15 atoms: times faster than NumPy's batched SVD"] == verdict
    assert found["quotient noise, 15 atoms, SE(3): microseconds a cloud and step"] == verdict
    assert found["4,000 samples, plane, quotient SDE, 100 steps: seconds"] == verdict
    assert found["1,000 samples, pentane, quotient ODE, 50 steps: seconds"] == "yes"
    assert found["slope of log memory against log clouds"] == "yes"


def test_the_peer_is_kabsch():
    x, to = orbits._pair(5, 6)
    expected = np.array([naive.align(a, b) for a, b in zip(x, to, strict=True)])
    assert np.abs(orbits.kabsch(x, to) - expected).max() <= ALGEBRA


@compiled
def test_a_small_run_is_written_down(tmp_path):
    orbits.main(out=tmp_path, settings=orbits.Settings((15,), (100, 1000), steps=2, rounds=1), say=lambda _: None)
    text = (tmp_path / "quotients.md").read_text()
    assert "slope of log memory against log clouds" in text
    assert (tmp_path / "quotients.png").stat().st_size > 1000
