"""Training of dense encoders and decoders: a function of its arguments, any modules in their place, what is refused."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from mfsym.errors import Diverged, MfsymError
from mfsym.latents import LatentAction, Pairs
from mfsym.latents.measures import psnr
from mfsym.latents.training import TrainedLatent, require_jax, train
from mfsym.streams import normals, stream_key, uniforms
from tests.tolerances import SINGLE

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed: pip install 'mfsym[jax]'")
ACTION = LatentAction.parse("charge(1) + charge(2) + trivial(4)")
X = uniforms(stream_key(24, "data"), 0, 40, 16)
PAIRS = Pairs(X, X[::-1], np.linspace(0.0, 3.0, 40))


def test_a_missing_extra_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optax", None)
    with pytest.raises(MfsymError, match=r"optax is missing\): pip install 'mfsym\[jax\]'") as caught:
        require_jax()
    assert "\n" not in str(caught.value)


@needs_jax
def test_a_training_is_a_function_of_its_arguments_and_reads_back():
    first, second = (train(ACTION, PAIRS, steps=2, batch_size=8) for _ in range(2))
    z = normals(stream_key(24, "init"), 0, 3, 8)
    assert np.array_equal(first.decode(z), second.decode(z))
    again = TrainedLatent.from_arrays(ACTION, dict(sorted(first.to_arrays().items())))
    assert np.array_equal(again.encode(X), first.encode(X))
    assert np.array_equal(again.decode(z), first.decode(z))
    with pytest.raises(MfsymError, match=r"encoder\.0"):
        TrainedLatent.from_arrays(ACTION, {})
    with pytest.raises(MfsymError, match="of another encoder"):
        TrainedLatent.from_arrays(LatentAction.parse("charge(1)"), first.to_arrays())


@needs_jax
def test_training_lowers_the_loss_and_the_seed_and_the_optional_terms_change_it():
    plain = train(ACTION, PAIRS, steps=250, batch_size=8)
    assert plain.history.shape == (3,)
    assert plain.history[-1] < 0.9 * plain.history[0]
    for other in ({"consistency": 1.0, "cycle": 1.0}, {"seed": 1}):
        assert abs(train(ACTION, PAIRS, steps=50, batch_size=8, **other).history[0] / plain.history[0] - 1.0) > 0.01


@needs_jax
def test_modules_of_the_caller_are_trained_and_checked():
    """A linear encoder and decoder on synthetic data of a linear action reach it; a wrong dimension is refused."""
    equinox, jax = import_module("equinox"), import_module("jax")
    modules = {
        "encoder": equinox.nn.Linear(16, 8, key=jax.random.key(0)),
        "decoder": equinox.nn.Linear(8, 16, key=jax.random.key(1)),
    }
    mix = 0.1 * normals(stream_key(24, "teacher"), 0, 8, 16)
    z, g = uniforms(stream_key(24, "init"), 1, 200, 8) - 0.5, 6.0 * uniforms(stream_key(24, "init"), 2, 200, 1)[:, 0]
    pairs = Pairs(0.5 + z @ mix, 0.5 + ACTION.act(g, z) @ mix, g)
    trained = train(ACTION, pairs, steps=400, batch_size=64, rate=1e-2, **modules)
    x1, x2, g = pairs.arrays
    assert psnr(trained.decode(ACTION.act(g, trained.encode(x1))), x2) > psnr(x1, x2) + 5.0
    again = TrainedLatent.from_arrays(ACTION, trained.to_arrays(), **modules)
    assert np.abs(again.encode(x1) - trained.encode(x1)).max() < SINGLE
    with pytest.raises(MfsymError, match=r"the encoder must map \(16,\) to \(8,\), got \(7,\)"):
        train(ACTION, pairs, encoder=equinox.nn.Linear(16, 7, key=jax.random.key(0)), steps=1)
    with pytest.raises(MfsymError, match="a module of one row"):
        train(ACTION, pairs, decoder=equinox.nn.Linear(9, 16, key=jax.random.key(0)), steps=1)


@needs_jax
def test_a_training_that_diverges_says_so():
    with pytest.raises(Diverged, match="lower the rate"):
        train(ACTION, PAIRS, steps=100, batch_size=8, rate=1e38)


@needs_jax
@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch_size": 0}, {"rate": 0.0}, {"consistency": -1.0}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(MfsymError, match=next(iter(wrong))):
        train(ACTION, PAIRS, **wrong)


@needs_jax
def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    """Stopped while the second hundreds run, and once more at the end; other trainings refuse the file."""
    monkeypatch.setattr("mfsym.latents.checkpoints.EVERY", 1)
    file, settings = tmp_path / "training.npz", {"steps": 250, "batch_size": 4, "seed": 5}
    whole = train(ACTION, PAIRS, **settings).to_arrays()

    class Stop(Exception):
        pass

    class Stopping:
        def cell(self, label):
            if label == "step 101":
                raise Stop

    with pytest.raises(Stop):
        train(ACTION, PAIRS, progress=Stopping(), checkpoint=file, **settings)
    started = file.read_bytes()
    resumed = train(ACTION, PAIRS, checkpoint=file, **settings)
    assert len(resumed.history) == 3
    assert file.read_bytes() != started
    for found in (resumed, train(ACTION, PAIRS, checkpoint=file, **settings)):
        assert all(np.array_equal(part, whole[name]) for name, part in found.to_arrays().items())
    other = Pairs(X[::-1].copy(), X[::-1].copy(), np.zeros(40))
    for action, pairs, change in ((ACTION, other, {}), (ACTION, PAIRS, {"seed": 6}), (ACTION, PAIRS, {"rate": 1e-2})):
        with pytest.raises(MfsymError, match="a checkpoint of another training"):
            train(action, pairs, checkpoint=file, **{**settings, **change})
