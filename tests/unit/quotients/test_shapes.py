"""Shapes files, molecules, learned denoisers and the commands over them: what is read, refused and kept."""

from __future__ import annotations

import builtins
import json
import sys

import numpy as np
import pytest

import mfsym as mf
from mfsym.errors import MfsymError
from mfsym.experiments.diffusions import compare_samplers, outside, sample_shapes
from mfsym.quotients import denoisers
from mfsym.quotients.denoisers import learn, objective
from mfsym.quotients.interpolants import Interpolant
from mfsym.quotients.losses import LOSSES, loss_of
from mfsym.quotients.molecules import conformers_of
from mfsym.quotients.sampling import Integration
from mfsym.quotients.shape_files import load_shapes, read_xyz
from mfsym.quotients.templates import Templates
from mfsym.stores import open_result
from mfsym.streams import normals, stream_key
from tests.sizes import compiled
from tests.tolerances import ROUNDOFF32

pytestmark = compiled

SQUARE = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
LONG = [[1.5, 0.0], [-1.5, 0.0], [0.0, 0.4], [0.0, -0.4]]

PLANE = f"""
[[template]]
name = "square"
points = {SQUARE}
weight = 0.6
[[template]]
name = "rhombus"
points = {LONG}
weight = 0.4
"""

SAMPLERS = """
[[sampler]]
name = "ODE"
steps = 4
between = [0.0, 1.0]
[[sampler]]
name = "SDE"
method = "sde"
integrator = "drift"
curvature_sign = -1
steps = 4
between = [0.9, 1.0]
"""

WATER = "3\nwater\nO 0 0 0\nH 1 0 0\nH 0 1 0\n"
CARBONS = "4\n\nC 0 0 0\nC 1.5 0 0\nO 2 1.3 0\nH 0 0 1\n"


@pytest.fixture
def write(tmp_path):
    """A function that writes a file and gives its path."""

    def written(text, name="shapes.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


def test_templates_are_read_with_their_names_and_weights(write):
    shapes = load_shapes(write(PLANE))
    assert shapes.names == ("square", "rhombus")
    assert shapes.weights.tolist() == [0.6, 0.4]
    assert np.abs(shapes.templates.clouds[0] - SQUARE).max() == 0.0
    assert shapes.templates.quotient.centred


def test_templates_come_from_xyz_files_without_hydrogens(write):
    write(CARBONS, "a.xyz")
    shapes = load_shapes(write('[[template]]\nfile = "a.xyz"\n'))
    assert shapes.templates.clouds.shape == (1, 3, 3)
    assert read_xyz(write(CARBONS, "a.xyz"))[1] == ("C", "C", "O")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "either smiles or one"),
        ('smiles = "CC"\n' + PLANE, "either smiles or one"),
        (PLANE.replace("weight = 0.4", "weight = 0.3"), "weights must sum to 1, got 0.9"),
        (PLANE.replace("weight = 0.4", ""), "every .* needs a weight, or none"),
        (PLANE.replace('"rhombus"', '"square"'), "a name of its own"),
        (PLANE.replace(str(LONG), str(LONG[:3])), r"of one size, got \(4, 2\) for template 0 and \(3, 2\)"),
        (PLANE.replace(str(LONG), "[[1.0, 0.0], [nan, 0.0], [0.0, 1.0], [1.0, 1.0]]"), "template 1 must be finite"),
        (PLANE.replace(str(LONG), str([[1.0, 2.0]] * 4)), "template 1 has 4 points that all coincide"),
        (f"[[template]]\npoints = {SQUARE[:1]}\n", "template 0 has one point"),
        (f"centred = false\n[[template]]\npoints = {[[0.0, 0.0]]}\n", "all its points at 0"),
        ("[[template]]\npoints = [[1.0], [2.0]]\n", r"shape \(n, 2\) or \(n, 3\)"),
        ("[[template]]\npoints = [[1.0, 2.0], [2.0]]\n", "as many coordinates"),
        ("[[template]]\nweight = 1.0\n", "needs either points or file"),
        ('[[template]]\nfile = "none.xyz"\n', "none.xyz: cannot be read"),
        (PLANE + "colour = 3\n", r"unknown key 'colour' in \[\[template\]\] 2"),
        (PLANE + '[[sampler]]\nname = "a"\nmethod = "sdf"\n', "sdf"),
        (PLANE + '[[sampler]]\nname = "a"\n' * 2, "a name of its own"),
        ("samples = 0\n" + PLANE, "samples"),
        ("sample = 3\n" + PLANE, "did you mean 'sample"),
    ],
)
def test_a_shapes_file_that_cannot_be_used_is_refused_in_one_line(text, reason, write):
    path = write(text)
    with pytest.raises(MfsymError, match=reason) as refusal:
        load_shapes(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x\n\n", "number of atoms"),
        (WATER.replace("3", "4", 1), "states 4 atoms and lists 3"),
        (WATER.replace("H 1 0 0", "H 1 zero 0"), "line 4 must be"),
        ("1\n\nH 0 0 0\n", "no heavy atoms"),
    ],
)
def test_an_xyz_file_that_is_none_is_refused(text, reason, write):
    with pytest.raises(MfsymError, match=reason):
        read_xyz(write(text, "a.xyz"))


def test_xyz_files_must_agree_on_their_elements(write):
    write(CARBONS, "a.xyz")
    write(CARBONS.replace("O", "N"), "b.xyz")
    with pytest.raises(MfsymError, match="the same elements"):
        load_shapes(write('[[template]]\nfile = "a.xyz"\n[[template]]\nfile = "b.xyz"\n'))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"weights": [0.5]}, "one for each of the 2 templates"),
        ({"weights": [1.5, -0.5]}, "finite and >= 0"),
        ({"weights": [np.nan, 0.5]}, "finite and >= 0"),
        ({"kind": "median"}, "kind must be one of"),
        ({"kind": "procrustes"}, "templates in space"),
    ],
)
def test_templates_refuse_what_makes_no_mixture(arguments, reason):
    with pytest.raises(MfsymError, match=reason):
        Templates([SQUARE, LONG], **arguments)


@pytest.mark.parametrize("clouds", [[], 3.0, "square", [[1.0, 2.0]]])
def test_templates_refuse_what_is_no_list_of_clouds(clouds):
    with pytest.raises(MfsymError, match="template"):
        Templates(clouds)


def test_denoisers_refuse_other_clouds_and_times():
    templates = Templates([SQUARE])
    with pytest.raises(MfsymError, match="t must be below 1"):
        templates(np.zeros((1, 8)), 1.0)
    with pytest.raises(MfsymError, match=r"x must have shape \(N, 8\)"):
        templates(np.zeros((1, 6)), 0.5)
    with pytest.raises(MfsymError, match="x must be finite"):
        templates(np.full((1, 8), np.nan), 0.5)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"method": "euler"}, "method must be one of ode, sde"),
        ({"integrator": "heun"}, "integrator must be one of"),
        ({"curvature_sign": 2}, "must be 1, 0 or -1"),
        ({"curvature_sign": -1}, 'for method "sde" and integrator "drift" only'),
        ({"steps": 0}, "steps must be"),
        ({"step": 5}, "did you mean 'steps'"),
    ],
)
def test_integrations_refuse_what_they_do_not_know(keys, reason):
    templates = Templates([SQUARE])
    with pytest.raises(MfsymError, match=reason):
        mf.sample(templates, Interpolant(), templates.quotient, 4, **keys)


def test_the_default_steps_are_those_of_the_method():
    assert (Integration().steps, Integration(method="sde").steps) == (50, 100)
    assert Interpolant().times(4).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert Interpolant().flow_times(1).tolist() == [0.0, 1.0]
    assert Interpolant().flow_times(2) == pytest.approx([0.0, 0.4, 1.0])
    assert np.diff(Interpolant().flow_times(50)).argmin() in range(20, 25)
    with pytest.raises(MfsymError, match="eta must be"):
        Interpolant(-1.0)
    with pytest.raises(MfsymError, match="loss must be one of"):
        loss_of("mse")


# commands


def test_sample_writes_what_python_makes(write, mfsym, tmp_path):
    path, out = write(PLANE), tmp_path / "clouds.nc"
    done = mfsym("sample", str(path), "-n", "40", "--steps", "5", "--paths", "3", "-o", str(out))
    assert done.exit_code == 0
    assert "40 samples, total_variation" in done.output
    found, expected = open_result(out), sample_shapes(path, 40, steps=5, paths=3)
    assert (found["clouds"].values == expected["clouds"].values).all()
    assert found["paths"].shape == (6, 3, 4, 2)
    assert found.attrs["noise"] == "none"
    assert json.loads(found.attrs["config"])["steps"] == 5


def test_a_run_goes_on_where_another_ended(write, mfsym, tmp_path):
    path = write(PLANE)
    for name, n, first in (("all", 30, 0), ("a", 20, 0), ("b", 10, 20)):
        out = str(tmp_path / f"{name}.nc")
        arguments = ["-n", str(n), "--first", str(first), "--method", "sde", "--steps", "5", "-q", "-o", out]
        assert mfsym("sample", str(path), *arguments).exit_code == 0
    whole, a, b = (open_result(tmp_path / f"{name}.nc") for name in ("all", "a", "b"))
    assert (whole["clouds"].values == np.concatenate([a["clouds"].values, b["clouds"].values])).all()
    assert b["sample"].values.tolist() == list(range(20, 30))


def test_samplers_are_compared_and_checked(write, mfsym, tmp_path):
    path, out = write("samples = 50\nreplicates = 2\n" + PLANE + SAMPLERS), tmp_path / "all.nc"
    done = mfsym("samplers", str(path), "-q", "-o", str(out))
    assert done.exit_code == 0
    assert "ODE" in done.output
    found = open_result(out)
    assert found["total_variation"].shape == (2, 2)
    assert np.abs(found["population"].values.sum(axis=-1) - 1.0).max() < 1e-12
    assert len(outside(found)) == 2
    checked = mfsym("samplers", str(path), "-q", "--check", "--replicates", "1", "--format", "json")
    assert checked.exit_code == 1
    assert "SDE, replicate 0" in checked.output
    records = json.loads(checked.output.splitlines()[0])
    assert records[0]["total_variation"] == [float(found["total_variation"][0, 0])]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PLANE.replace("weight = 0.4", "weight = 0.3"), "sum to 1"),
        (f"[[template]]\npoints = {SQUARE[:1]}\n", "one point"),
        ('smiles = "C1CC"\n', "smiles must be a molecule that RDKit can read"),
        ('smiles = "C"\n', "2 or more heavy atoms, got 1"),
    ],
)
def test_bad_input_is_one_line_and_exit_2_and_nothing_is_written(text, reason, write, mfsym, tmp_path):
    if "smiles" in text:
        pytest.importorskip("rdkit", reason="needs the extra molecules")
    out = tmp_path / "out.nc"
    done = mfsym("sample", str(write(text)), "-o", str(out))
    assert done.exit_code == 2
    assert reason in done.output
    assert done.output.count("\n") == 1
    assert not out.exists()


def test_a_comparison_without_samplers_is_refused(write):
    with pytest.raises(MfsymError, match="needs one table"):
        compare_samplers(write(PLANE))


def without(monkeypatch, *names):
    """Let imports of these packages fail."""
    real = builtins.__import__

    def blocked(name, *args, **more):
        if name.split(".")[0] in names:
            raise ImportError(f"No module named {name!r}", name=name)
        return real(name, *args, **more)

    for name in [each for each in sys.modules if each.split(".")[0] in names]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", blocked)


def test_a_missing_extra_is_one_line_that_says_what_to_install(write, mfsym, tmp_path, monkeypatch):
    without(monkeypatch, "rdkit", "optax")
    done = mfsym("sample", str(write('smiles = "CC"\n')), "-o", str(tmp_path / "a.nc"))
    assert done.exit_code == 2
    assert "pip install 'mfsym[molecules]'" in done.output
    done = mfsym("sample", str(write(PLANE)), "--denoiser", "learned", "-o", str(tmp_path / "a.nc"))
    assert done.exit_code == 2
    assert "pip install 'mfsym[jax]'" in done.output
    assert done.output.count("\n") == 1


# molecules


def test_pentane_has_six_conformers_modulo_its_reversal():
    pytest.importorskip("rdkit", reason="needs the extra molecules")
    found = conformers_of("CCCCC")
    assert len(found.energies) == 6
    assert found.elements == ("C",) * 5
    assert abs(found.weights.sum() - 1.0) < 1e-12
    templates = Templates(found.clouds, found.weights)
    images = found.clouds[:, ::-1].reshape(len(found.clouds), -1)
    table = templates.quotient.distances(found.clouds.reshape(len(images), -1), images)
    partner = table.argmin(axis=1)
    assert table.min(axis=1).max() < 0.3 * np.sqrt(5)
    assert (found.conformer[partner] == found.conformer).all()
    assert (np.abs(found.weights[partner] - found.weights) < 1e-12).all()
    again = conformers_of("CCCCC")
    assert (again.clouds == found.clouds).all()


# learned denoisers


def test_a_learned_denoiser_improves_repeats_and_samples(monkeypatch):
    pytest.importorskip("optax", reason="needs the extra jax")
    monkeypatch.setattr(denoisers, "WIDTH", 24)
    templates = Templates([SQUARE, LONG], [0.6, 0.4])
    found = learn(templates, "quotient", steps=200, batch=32, seed=1)
    again = learn(templates, "quotient", steps=200, batch=32, seed=1)
    x = templates.draw(0, 5).clouds
    assert found.history[-1] < found.history[0]
    assert np.abs(found(x, 0.5) - again(x, 0.5)).max() < 1e-4
    assert found(x.reshape(5, 4, 2), 0.5).shape == (5, 4, 2)
    made = mf.sample(found, Interpolant(), templates.quotient, 50, steps=5)
    assert np.isfinite(made.clouds).all()


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_what_is_trained_is_the_mean_of_the_loss(name, d):
    """The objective in JAX against the loss in NumPy, cloud by cloud averages of random predictions."""
    jax = pytest.importorskip("jax", reason="needs the extra jax")
    key = stream_key(3, "data")
    templates = Templates(normals(key, 0, 2, 4 * d).reshape(2, 4, d))
    drawn = [templates.quotient.centre(normals(key, step, 30, 4 * d)) for step in (1, 2, 3)]
    expected = LOSSES[name](*drawn, templates.quotient).mean()
    found = objective(jax, name, templates)(*(each.reshape(30, 4, d).astype(np.float32) for each in drawn))
    assert abs(float(found) - expected) < ROUNDOFF32 * expected
    other = LOSSES["geodiff" if name != "geodiff" else "quotient"](*drawn, templates.quotient).mean()
    assert abs(float(found) - other) > ROUNDOFF32 * expected


# distances modulo rotations


def test_the_distance_modulo_rotations_does_not_see_them(write, mfsym, tmp_path):
    templates = Templates([SQUARE, LONG], [0.6, 0.4])
    a, b = templates.draw(0, 12).clouds, templates.draw(1, 12).clouds
    moved = b.reshape(12, 4, 2) + 3.0
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", moved.reshape(12, 8))
    files = (tmp_path / "a.npy", tmp_path / "b.npy")
    found = json.loads(mfsym("distance", *files, "--quotient", "SE(2)", "--format", "json").output)
    expected = mf.orbit_w2(a, b, templates.quotient).w2_squared
    assert found["w2_squared"] == pytest.approx(expected, abs=1e-9)
    assert found["lower_bound"] <= found["w2_squared"] + 1e-12
    uncentred = json.loads(mfsym("distance", *files, "--quotient", "so(2)", "--format", "json").output)
    assert uncentred["w2_squared"] > found["w2_squared"] + 1.0
    path, out = write(PLANE), tmp_path / "c.nc"
    assert mfsym("sample", path, "-n", "12", "--steps", "5", "-q", "-o", out).exit_code == 0
    assert mfsym("distance", files[0], out, "--quotient", "se(2)").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--quotient", "su(2)"), "--quotient must be one of so(2), so(3), se(2), se(3)"),
        (("--quotient", "so(2)", "--method", "emd"), "--quotient and --method exclude each other"),
        (("--quotient", "so(3)"), "rows of 8 numbers are no clouds of points in R^3"),
    ],
)
def test_a_quotient_that_does_not_fit_is_one_line(arguments, reason, mfsym, tmp_path):
    np.save(tmp_path / "a.npy", Templates([SQUARE]).draw(0, 3).clouds)
    done = mfsym("distance", tmp_path / "a.npy", tmp_path / "a.npy", *arguments)
    assert done.exit_code == 2
    assert reason in done.output
    assert done.output.count("\n") == 1
