"""mfsym.data.networks, mfsym.stores.networks: a network trained elsewhere is the cloud that one would write by hand."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import mfsym as mf
from mfsym.cli import cli
from mfsym.data.networks import cloud_from_layers, clouds_from_blocks, with_constant_input
from mfsym.data.teachers import reference_unit
from mfsym.dynamics.resnets import predict as predict_blocks
from mfsym.errors import MfsymError
from mfsym.experiments import distance_to
from mfsym.schemes import Scheme
from mfsym.stores.networks import load_arrays
from mfsym.streams import normals, stream_key
from tests.tolerances import ALGEBRA

N, UNIT = 40, reference_unit("uv", "tanh")
X = normals(stream_key(5, "data"), 0, 30, 2)


def _trained(steps=200, rate=0.05):
    """W1 (N, 2), b1 (N,), W2 (2, N) of y = W2 tanh(W1 x + b1), trained by hand on the swap-equivariant x -> x^3."""
    draws = [normals(stream_key(5, "init"), step, N, 2) for step in range(3)]
    w1, w2, b1 = draws[0], draws[1].T / N, 0.1 * draws[2][:, 0]
    for _ in range(steps):
        hidden = np.tanh(X @ w1.T + b1)
        error = hidden @ w2.T - X**3
        back = (error @ w2) * (1.0 - hidden**2)
        w2 = w2 - rate * error.T @ hidden / len(X)
        w1, b1 = w1 - rate * back.T @ X / len(X), b1 - rate * back.mean(axis=0)
    return w1, w2, b1


W1, W2, B1 = _trained()
LAYOUTS = {"torch": (W1, W2), "keras": (W1.T, W2.T), "math": (2.0 * W1, N * W2.T)}


@pytest.mark.parametrize("convention", LAYOUTS)
def test_the_cloud_has_the_function_of_the_network(convention):
    z = cloud_from_layers(*LAYOUTS[convention], convention=convention)
    assert z.shape == (N, 4)
    assert np.abs(UNIT.predict(X, z) - np.tanh(X @ W1.T) @ W2.T).max() < ALGEBRA
    forgotten = np.hstack([W1, W2.T])
    assert np.abs(UNIT.predict(X, forgotten) - np.tanh(X @ W1.T) @ W2.T).max() > 0.01


@pytest.mark.parametrize("convention", ["torch", "keras"])
def test_biases_are_weights_of_a_constant_input_that_the_group_leaves(convention):
    z, unit = cloud_from_layers(*LAYOUTS[convention], B1, convention), with_constant_input(UNIT)
    assert z.shape == (N, 5)
    assert unit.p == 5
    inputs = np.hstack([X, np.ones((len(X), 1))])
    assert np.abs(unit.predict(inputs, z) - np.tanh(X @ W1.T + B1) @ W2.T).max() < ALGEBRA
    swap = unit.action(unit.rho_x.group.generators)[0]
    assert np.array_equal(swap @ z[0], z[0][[1, 0, 2, 4, 3]])


def test_a_residual_network_goes_layer_by_layer():
    blocks = [(W1, 0.3 * W2), (0.5 * W1, 0.2 * W2), (W1, -0.1 * W2)]
    clouds, h = clouds_from_blocks(blocks), X
    for into, out in blocks:
        h = h + np.tanh(h @ into.T) @ out.T
    assert clouds.shape == (3, N, 4)
    assert np.abs(predict_blocks(Scheme(UNIT), X, clouds) - h).max() < ALGEBRA
    with_biases = clouds_from_blocks([(W1, W2, B1)] * 2)
    assert np.array_equal(with_biases[0], with_biases[1])
    assert np.array_equal(with_biases[0][:, :3], cloud_from_layers(W1, W2, B1)[:, :3])
    assert np.array_equal(with_biases[0][:, 3:], 2.0 * N * W2.T)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cloud_from_layers(W1, W2.T),
            "W1 .N, d. and W2 .c, N.*they fit the convention 'math'",
        ),
        (lambda: cloud_from_layers(W1[:7], W2), "got .7, 2. and .2, 40."),
        (lambda: cloud_from_layers(W1[0], W2), "W1 must be a matrix"),
        (lambda: cloud_from_layers(W1, W2 * np.nan), "W2 must be finite, got 80"),
        (lambda: cloud_from_layers(W1, W2, B1[:3]), "b1 must hold 40"),
        (lambda: cloud_from_layers(W1, W2, convention="jax"), "convention must be one of"),
        (lambda: clouds_from_blocks([]), "at least one block"),
        (lambda: clouds_from_blocks([(W1,)]), "got 1 arrays in block 1"),
        (lambda: clouds_from_blocks([(W1, W2), (W1, W2, B1)]), "equal shapes"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(call, message):
    with pytest.raises(MfsymError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def _run(*arguments):
    return CliRunner().invoke(cli, ["distance", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def models(tmp_path):
    """The same network in each of the formats, and by which names."""
    numpy = pytest.importorskip("safetensors.numpy", reason="the extra safetensors")
    arrays = {"fc1.weight": W1, "fc2.weight": W2, "fc1.bias": B1}
    numpy.save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, tmp_path / "m.safetensors")
    np.savez(tmp_path / "m.npz", **arrays)
    (tmp_path / "folder").mkdir()
    for name, values in arrays.items():
        np.save(tmp_path / "folder" / f"{name}.npy", values)
    return [tmp_path / "m.safetensors", tmp_path / "m.npz", tmp_path / "folder"]


def test_every_format_gives_the_numbers_of_the_hand_made_cloud(models):
    expected = distance_to(np.hstack([2.0 * W1, N * W2.T]), "wi", UNIT, null=20)
    for model in models:
        arguments = ("--arrays", "fc1.weight,fc2.weight", "--unit", "uv", "--to", "wi", "--null", "20")
        result = _run(model, *arguments, "--format", "json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.output)
        assert {name: found[name] for name in found if name != "seconds"} == {
            name: expected[name] for name in expected if name != "seconds"
        }
        assert "null" in _run(model, *arguments).output


def test_both_conventions_on_the_command_line_are_one_network(tmp_path):
    np.savez(tmp_path / "torch.npz", w1=W1, w2=W2, b1=B1)
    np.savez(tmp_path / "keras.npz", w1=W1.T, w2=W2.T, b1=B1)
    records = [
        json.loads(
            _run(
                tmp_path / f"{name}.npz", "--arrays", "w1,w2,b1", "--convention", name, "--to", "si", "--format", "json"
            ).output
        )
        for name in ("torch", "keras")
    ]
    assert records[0]["rmd2"] == records[1]["rmd2"] > 0.0
    two = _run(tmp_path / "torch.npz", tmp_path / "torch.npz", "--arrays", "w1,w2", "--format", "json")
    assert json.loads(two.output)["w2_squared"] == 0.0


def test_residual_blocks_are_numbered(tmp_path):
    np.savez(tmp_path / "m.npz", a1=W1, a2=W2, b1=W1, b2=2.0 * W2)
    result = _run(tmp_path / "m.npz", "--arrays", "a1,a2", "--arrays", "b1,b2", "--to", "wi", "--format", "json")
    records = json.loads(result.output)
    clouds = clouds_from_blocks([(W1, W2), (W1, 2.0 * W2)])
    assert [record["layer"] for record in records] == [1, 2]
    assert [record["rmd2"] for record in records] == [distance_to(z, "wi", UNIT)["rmd2"] for z in clouds]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m.npz", "--arrays", "w1", "--to", "wi"), "must be W1,W2 or W1,W2,b1"),
        (("m.npz", "--arrays", "w1,w3", "--to", "wi"), "has no array 'w3'"),
        (("m.npz", "--arrays", "w1,w2", "--to", "wi", "--unit", "matrix"), "use --unit uv"),
        (("m.npz", "--arrays", "w1,w2", "--to", "wi", "--convention", "keras"), "another --convention"),
        (("m.npz", "--to", "wi", "--convention", "keras"), "about --arrays"),
        (("m.npz", "--arrays", "w1,w2", "--along", "time"), "exclude each other"),
        (("m.pt", "--arrays", "w1,w2", "--to", "wi"), "save_file"),
        (("bad.safetensors", "--arrays", "w1,w2", "--to", "wi"), "cannot be read as arrays"),
        (("none.safetensors", "--arrays", "w1,w2", "--to", "wi"), "cannot be read"),
        (("empty", "--arrays", "w1,w2", "--to", "wi"), "has no array 'w1'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.savez("m.npz", w1=W1, w2=W2)
    (tmp_path / "m.pt").write_bytes(b"\x80\x02")
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense" * 9)
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(cli, ["distance", *arguments])
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_missing_extra_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "m.safetensors").write_bytes(b"")
    with pytest.raises(MfsymError, match=r"pip install 'mfsym\[safetensors\]'"):
        load_arrays(str(tmp_path / "m.safetensors"), ["a"])


def test_a_torch_model_by_its_state(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is installed with the extra bench only")
    first, second = torch.nn.Linear(2, N), torch.nn.Linear(N, 2, bias=False)
    with torch.no_grad():
        expected = second(torch.tanh(first(torch.tensor(X, dtype=torch.float32)))).numpy()
    weights = [part.detach().numpy() for part in (first.weight, second.weight, first.bias)]
    z = mf.cloud_from_layers(*weights)
    inputs = np.hstack([X, np.ones((len(X), 1))])
    assert np.abs(with_constant_input(UNIT).predict(inputs, z) - expected).max() < 1e-5
