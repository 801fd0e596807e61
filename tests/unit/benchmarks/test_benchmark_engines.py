"""The parts ``engines`` and ``device``: what they measure, and what their reports say of it."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from benchmarks import device, engines
from benchmarks.cases import Case, dynamics_of
from benchmarks.contenders import CONTENDERS
from mfsym.data.teachers import reference_teacher
from tests.tolerances import ROUNDOFF

TOY = device.Settings((300, 600), 3, 300, 0.01, 1, 300, 4, 16)


def found(step: float, core: float, n: int = 1_000_000) -> dict:
    """Results of the part device with one time of a step and of a core."""
    rows = [{"n": size, "seconds": [step * size / n] * 3, "beyond": 0.01, "bytes": 40.0} for size in (n // 10, n)]
    return {
        "device": "card (gpu)",
        "settings": asdict(device.Settings()),
        "versions": {"jax": "0"},
        "agreement": [{"scheme": "fa", "dtype": "float64", "difference": 1e-14}],
        "rows": rows,
        "ceilings": {"bytes": 1e12, "operations": 1e13},
        "core": core,
    }


def test_the_goals_of_a_device_are_kept_or_broken():
    assert [each.verdict for each in device.bounds(found(1e-4, 0.04))] == ["yes", "yes", "yes"]
    assert [each.verdict for each in device.bounds(found(2e-4, 0.04))] == ["yes", "**no**", "**no**"]


def test_the_report_of_a_device_has_growth_memory_and_shares():
    results = found(1e-4, 0.04)
    assert abs(device.growth(results) - 1.0) < ROUNDOFF
    row = next(line for line in device.markdown(results).splitlines() if line.startswith("| 1,000,000 |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:6] == ["100.0", "0.0050", f"{2e7 * 1e-4 / 3600:.3g}", "40", "32.0%"]


def test_noise_is_in_a_case_unless_it_says_otherwise():
    teacher = reference_teacher("wi")
    assert dynamics_of(Case(10), teacher).beta > 0.0
    assert dynamics_of(Case(10, noisy=False), teacher).beta == 0.0


def test_a_device_is_compared_with_the_cpu_and_timed():
    pytest.importorskip("jax", reason="needs the extra jax: pip install 'mfsym[jax]'")
    results = device.step_time(300, TOY)
    assert results["n"] == 300
    assert np.isfinite(results["seconds"]).all()
    assert device.ceilings(TOY)["bytes"] > 0.0


def test_the_bound_of_the_engines_is_the_fastest_form():
    seconds = {"mfsym": 1.0, "mfsym-jax": 3.0, "jax": 2.5, "jax-plain": 9.0}
    rows = [
        {**asdict(Case(5000)), "contender": name, "form": "rows", "steps": 1, "seconds": [value]}
        for name, value in seconds.items()
    ]
    results = {
        "machine": {},
        "versions": {},
        "settings": asdict(engines.QUICK),
        "rows": rows,
        "shares": [{"n": 5000, "contender": "mfsym-jax", "share": 0.3}],
    }
    (bound,) = engines.bounds(results)
    assert (bound.value, bound.verdict) == (1.2, "yes")
    assert f"| {CONTENDERS['mfsym-jax'].label} | 5,000 | 30% |" in engines.markdown(results)
