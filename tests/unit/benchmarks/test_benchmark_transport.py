"""The transport benchmark: its cases are what they say, values must agree, and bounds follow from the figures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import quotients, transport
from benchmarks.clouds import FAMILIES
from mfsym.transport import symmetrised_atoms
from mfsym.transport.chambers import is_closed
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF

QUOTIENTS = "quotient, order 8 acting by {} matrices: times faster than the symmetrised clouds"


def _rows(ours: float, peer: float) -> list[dict]:
    """A made-up run in which every case takes the given seconds."""
    rows = []
    for family in (*FAMILIES, *transport.TRAINED):
        for n in (200, 500, 1000, 5000, 50000, 100000):
            for name, seconds in (("mfsym", ours), ("emd2", peer), ("scipy", peer)):
                row = {"family": family, "n": n, "contender": name, "seconds": [seconds]}
                rows.append({**row, "gap": 0.0, "bytes": 1e6, "value": 1.0})
    return rows


def _folds(times: float) -> list[dict]:
    row = {"group": "D4 on a vector", "acting": 8, "cloud": "centred", "n": 1000, "difference": 1e-16}
    return [{**row, "quotient": [1.0], "symmetrised": [each]} for each in (100.0, times)]


@pytest.mark.parametrize(("peer", "times", "verdict"), [(50.0, 5.0, "yes"), (0.5, 3.0, "**no**")])
def test_bounds_follow_from_the_figures(peer, times, verdict):
    found = {b.text: b.verdict for b in transport.bounds({"rows": _rows(1.0, peer), "quotients": _folds(times)})}
    assert found["diffuse, N = 5000: times faster than POT emd2"] == verdict
    assert found["all, N <= 1000: times slower than the best peer"] == verdict
    assert found[QUOTIENTS.format(8)] == verdict
    assert found["largest relative gap"] == "yes"


def test_groups_that_act_by_fewer_matrices_are_held_to_the_same():
    fast, slow = ({**row, "acting": acting} for row, acting in zip(_folds(3.0), (8, 4), strict=True))
    found = {b.text: (b.value, b.bound, b.verdict) for b in quotients.bounds([fast, slow])}
    assert found[QUOTIENTS.format(8)] == (100.0, 4.0, "yes")
    assert found[QUOTIENTS.format(4)] == (3.0, 4.0, "**no**")


def test_the_report_shows_every_case(tmp_path):
    results = {"machine": {"cores": 2}, "rows": _rows(1.0, 2.0), "quotients": _folds(5.0)}
    text = transport.markdown(results)
    assert "| independent | 5,000 | 1 | 2 (2×) |" in text
    assert "| D4 on a vector | centred | 1,000 | 1 | 5 (5×) |" in text
    transport.picture(results, tmp_path / "transport.png")
    assert 0 < (tmp_path / "transport.png").stat().st_size < 200_000


@pytest.mark.parametrize("group", quotients.GROUPS)
def test_the_groups_have_eight_elements(group):
    matrices = quotients.matrices_of(group)
    assert len(matrices) == 8
    assert np.abs(np.einsum("kab,kcb->kac", matrices, matrices) - np.eye(matrices.shape[1])).max() <= ROUNDOFF
    assert is_closed(matrices)
    orbit = symmetrised_atoms(np.arange(1.0, matrices.shape[1] + 1.0)[None], matrices)
    assert len(np.unique(orbit.round(9), axis=0)) == (4 if group.endswith("a matrix") else 8)


@pytest.mark.parametrize("cloud", quotients.CLOUDS)
def test_both_sides_of_a_comparison_are_one_distance(cloud):
    row = quotients.compare("C8 on a vector", cloud, sized(700, 10), rounds=1)
    assert row["difference"] <= ALGEBRA
    assert row["acting"] == 8
    assert len(row["quotient"]) == len(row["symmetrised"]) == 1


def test_contenders_that_disagree_stop_the_benchmark(tmp_path, monkeypatch):
    answer = {"seconds": [1.0], "value": 1.0, "gap": 0.0, "bytes": 0}
    monkeypatch.setattr(transport, "ask", lambda name, path: {**answer, "value": 1.0 + (name == "emd2")})
    with pytest.raises(RuntimeError, match="must agree"):
        transport.measure("independent", 10, ("mfsym", "emd2"), 1, tmp_path)
