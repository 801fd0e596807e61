"""mfsym.engines.jax.layers: residual networks train as with the compiled engine."""

from __future__ import annotations

import pytest

from mfsym.dynamics.resnets import ResNetSGD, init_layers
from mfsym.groups import cyclic
from mfsym.streams import normals, stream_key
from mfsym.units import Gated, MatrixUnit, MLPUnit, UVUnit
from tests.engine_cases import distance
from tests.sizes import compiled
from tests.tolerances import ENGINES, SPLIT
from tests.trainings import Sample

pytest.importorskip("jax", reason="needs the extra jax: pip install 'mfsym[jax]'")

KEY, SWAP = stream_key(25, "init"), cyclic(2).permutation()
CASES = {
    "matrix-fa": (MatrixUnit("sigmoid", SWAP, SWAP), "fa", "quadratic"),
    "uv-ea": (UVUnit("tanh", SWAP, SWAP), "ea", "quadratic"),
    "mlp-da": (MLPUnit("tanh", SWAP, SWAP, [[SWAP, Gated(SWAP)]]), "da", "logistic"),
}


@compiled
@pytest.mark.parametrize("name", CASES)
def test_residual_networks_train_alike(name):
    unit, scheme, loss = CASES[name]
    y = normals(KEY, 2, 16, 2)
    data = Sample(1.5 * normals(KEY, 1, 16, 2), y / abs(y) if loss == "logistic" else y)
    options = {"depth": 3, "batch_size": 4, "loss": loss, "alpha": 1.0, "beta": 1e-3, "dtype": "float64"}
    kinds = [ResNetSGD(unit, scheme, data, engine=engine, **options) for engine in ("numba", "jax")]
    start = kinds[0].init(init_layers(unit, "wi", 3, 70, 1), 4)
    ends = [dynamics.step(start, 60) for dynamics in kinds]
    assert distance(ends[0].z, start.z) > SPLIT
    assert distance(ends[1].z, ends[0].z) < ENGINES


@compiled
def test_a_residual_network_diverges_at_the_same_step():
    unit = UVUnit("identity", SWAP, SWAP)
    data = Sample(normals(KEY, 1, 16, 2), normals(KEY, 2, 16, 2))
    kinds = [ResNetSGD(unit, "vanilla", data, depth=2, alpha=1e6, engine=engine) for engine in ("numba", "jax")]
    start = kinds[0].init(init_layers(unit, "wi", 2, 6, 1), 4)
    ends = [dynamics.step(start, 100) for dynamics in kinds]
    assert ends[0].status == ends[1].status == "diverged"
    assert ends[0].step == ends[1].step
