"""The command latent, end to end: a user's own pairs, digits turned by an unknown angle, and bad input."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from mfsym.experiments.latent_runs import latent_result
from mfsym.latents.latent_files import load_latent, load_turned, turned_digits
from mfsym.stores.datasets import open_result
from mfsym.streams import stream_key, uniforms

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed: pip install 'mfsym[jax]'")
POLYGONS, SIDE = 500, 12
OWN = """
[latent]
representation = "charge(1) + charge(2) + charge(3) + trivial(6)"
[pairs]
source = "own.npz"
"""
DIGITS = """
[pairs]
source = "digits"
turn = 25.0
"""


def polygon(corners, radius, angle):
    """A filled regular polygon on SIDE x SIDE pixels with soft edges, counter-clockwise by the angle."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2.0
    normals = angle + 2.0 * np.pi * np.arange(corners) / corners
    heights = columns[..., None] * np.cos(normals) - rows[..., None] * np.sin(normals)
    return np.clip(radius + 0.5 - heights.max(axis=-1), 0.0, 1.0)


def polygons():
    """x1, x2 (500, 12, 12) and g: triangles to hexagons with one corner cut, so that every angle is seen."""
    u = uniforms(stream_key(25, "data"), 0, POLYGONS, 4)
    corners, radii = 3 + (4 * u[:, 0]).astype(int), 2.0 + 1.5 * u[:, 1]
    start, g = 2.0 * np.pi * u[:, 2], 2.0 * np.pi * u[:, 3]

    def drawn(angles):
        shapes = zip(corners, radii, angles, strict=True)
        return np.array([polygon(n, r, a) * (1.0 - 0.7 * polygon(4, 1.0, a)) for n, r, a in shapes])

    return drawn(start), drawn(start + g), g


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with own.npz and own.toml; a function that writes other arrays or another text."""
    monkeypatch.chdir(tmp_path)
    x1, x2, g = polygons()

    def write(text=OWN, **arrays):
        np.savez(tmp_path / "own.npz", **({"x1": x1, "x2": x2, "g": g} | arrays))
        (tmp_path / "own.toml").write_text(text)
        return x1, x2, g

    write()
    return write


@needs_jax
def test_a_users_own_pairs_go_through_end_to_end(mfsym, own, tmp_path):
    """500 polygons turned by known angles are trained on, measured, followed round the circle, and drawn."""
    done = mfsym("latent", "own.toml", "-o", "own.nc", "--steps", 300, "--batch-size", 64, "-q")
    assert done.exit_code == 0, done.output
    assert "latent action" in done.output
    result = open_result(tmp_path / "own.nc")
    assert result.sizes["pixel"] == SIDE * SIDE
    assert float(result["psnr"]) > float(result["psnr_copy"]) + 1.0
    assert float(result["latent_error"]) < 1.0
    assert json.loads(result.attrs["config"])["training"]["steps"] == 300
    drawn = mfsym("latent", "own.nc", "--traverse", 3, "-o", "orbit.png")
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "orbit.png").read_bytes().startswith(b"\x89PNG")
    kept = mfsym("latent", "own.nc", "--traverse", 3, "--turns", 8, "-o", "orbit.nc")
    assert kept.exit_code == 0, kept.output
    orbit = open_result(tmp_path / "orbit.nc")
    assert orbit["row"].values.tolist() == ["latent action", "whole image"]
    assert orbit["turn"].values.tolist() == [45.0 * k for k in range(8)]
    assert np.array_equal(orbit["orbit"].values[1, 0], result["inputs"].values[3])
    assert np.abs(orbit["orbit"].values[0, 0] - result["inputs"].values[3]).mean() < 0.15
    beyond = mfsym("latent", "own.nc", "--traverse", 400)
    assert refused(beyond, "sample must be a whole number from 0 to 31, got 400")


def test_ensembles_need_no_extra(mfsym, own, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    own(OWN + '[training]\ntrainer = "ensembles"\nparticles = 16\nsteps = 20\n')
    done = mfsym("latent", "own.toml", "-o", "own.nc", "-q", "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["psnr"] == float(open_result(tmp_path / "own.nc")["psnr"])


@pytest.mark.parametrize("degrees", [10.0, 25.0, 57.0])
def test_an_unknown_angle_is_found_on_digits(mfsym, tmp_path, degrees):
    """To within half a degree, with charges 0 to 5, and better than the identity."""
    (tmp_path / "turned.toml").write_text(DIGITS.replace("25.0", str(degrees)))
    done = mfsym("latent", tmp_path / "turned.toml", "--discover", "--format", "json")
    found = json.loads(done.output)
    assert abs(found["angle_found"] - degrees) < 0.5
    assert set(range(6)) <= set(found["charge_whole"])
    assert found["held_error"] < 0.3
    assert found["held_error"] < 0.6 * found["held_error_identity"]
    assert found["psnr_principal"] - 2.5 < found["psnr_linear"] < found["psnr_principal"]


@pytest.mark.parametrize("degrees", [5.0, 40.0, 45.0, 120.0, 180.0])
def test_the_angle_or_a_rival_is_the_true_one(mfsym, tmp_path, degrees):
    """To within a quarter of a degree; half a degree beside it, nothing is named."""
    (tmp_path / "turned.toml").write_text(DIGITS.replace("25.0", str(degrees)))
    found = json.loads(mfsym("latent", tmp_path / "turned.toml", "--discover", "--format", "json").output)
    named = np.array([found["angle_found"], *found["angle_rival"]])
    assert np.abs(named - degrees).min() < 0.25
    assert np.abs(named - degrees - 0.5).min() > 0.25


def test_an_unknown_angle_is_found_in_ones_own_pairs(mfsym, own, tmp_path):
    """Without g in the file; the Dataset is written, and the table names the angle."""
    inputs = turned_digits(35.0)
    np.savez(tmp_path / "own.npz", x1=inputs.x1, x2=inputs.x2)
    (tmp_path / "own.toml").write_text('[pairs]\nsource = "own.npz"\n')
    done = mfsym("latent", "own.toml", "--discover", "-o", "charges.nc")
    assert done.exit_code == 0, done.output
    result = open_result(tmp_path / "charges.nc")
    assert abs(float(result["angle_found"]) - 35.0) < 0.5
    assert "angle_true" not in result
    assert done.output.startswith(f"angle {float(result['angle_found']):.3f} +-")
    (tmp_path / "own.toml").write_text(OWN)
    assert refused(mfsym("latent", "own.toml", "-o", "own.nc", "--steps", 1), "g missing")


def refused(done, reason):
    """One line that holds the reason, exit code 2, no traceback."""
    lines = [line for line in done.output.splitlines() if line]
    assert done.exit_code == 2, done.output
    assert len(lines) == 1, done.output
    assert lines[0].startswith("error: ")
    assert reason in lines[0], lines[0]
    return True


X1, X2, G = polygons()
BAD_PAIRS = {
    "different sizes": ({"x2": X2[:, :10]}, "x1 and x2 must be arrays of one shape"),
    "different numbers": ({"x2": X2[:400]}, "x1 and x2 must be arrays of one shape"),
    "angles of fewer pairs": ({"g": G[:400]}, "g must hold one element for each of 500 pairs"),
    "degrees": ({"g": np.rad2deg(G)}, "convert degrees to radians"),
    "angles that are not numbers": ({"g": np.full(POLYGONS, np.nan)}, "g must be finite"),
    "matrices": ({"g": np.ones((POLYGONS, 3, 3))}, "angles in radians"),
    "pixels up to 255": ({"x1": 255.0 * X1}, "x1 must hold pixels from 0 to 1"),
    "pixels below 0": ({"x2": X2 - 1.0}, "x2 must hold pixels from 0 to 1"),
    "one pair held out": ({"x1": X1[:4], "x2": X2[:4], "g": G[:4]}, "own.npz: the measures need 2 held-out pairs"),
    "one input before": ({"x1": np.repeat(X1[:1], POLYGONS, axis=0)}, "own.npz: x1 must hold different inputs"),
    "one input after": ({"x2": np.repeat(X2[:1], POLYGONS, axis=0)}, "own.npz: x2 must hold different inputs"),
    "pixels that are not finite": ({"x1": np.where(X1 > 0.5, np.inf, X1)}, "x1 must be finite"),
}


@pytest.mark.parametrize("name", BAD_PAIRS)
def test_bad_pairs_are_refused(mfsym, own, tmp_path, name):
    arrays, reason = BAD_PAIRS[name]
    own(**arrays)
    assert refused(mfsym("latent", "own.toml", "-o", "own.nc", "--steps", 1), reason)
    assert not (tmp_path / "own.nc").exists()


@pytest.mark.parametrize(
    ("group", "g", "true"),
    [
        ("cyclic(12)", 1.0, 30.0),
        ("cyclic(12)", 11.0, 30.0),
        ("so(2)", np.deg2rad(350.0), 10.0),
        ("so(2)", -0.5, np.rad2deg(0.5)),
        ("u1(1)", 0.5, np.rad2deg(0.5)),
        ("dihedral(3)", 1.0, None),
        ("so(3)", np.eye(3), None),
        ("u1(2)", [0.5, 0.2], None),
    ],
)
def test_the_true_angle_is_that_of_the_group(own, group, g, true):
    """Multiples of 2 pi / k for C_k, folded to half a turn; none where an element has no one angle."""
    own(f'[latent]\ngroup = "{group}"\n[pairs]\nsource = "own.npz"\n', g=np.array([g] * POLYGONS))
    angle = load_turned("own.toml").angle
    assert angle is None if true is None else abs(np.rad2deg(angle) - true) < 1e-9


def test_the_true_angle_of_digits_is_folded():
    assert abs(np.rad2deg(turned_digits(350.0).angle) - 10.0) < 1e-9


def test_the_elements_of_a_discovery_lie_in_the_group(mfsym, own):
    own(g=np.full(POLYGONS, 30.0))
    assert refused(mfsym("latent", "own.toml", "--discover"), "own.npz: g must hold elements of SO(2)")


def test_an_encoder_that_sees_nothing_keeps_its_weights(own):
    """Its equivariance error is NaN; the Dataset is made all the same."""
    own()
    task = load_latent("own.toml")

    class Blind:
        def encode(self, x):
            return np.zeros((len(x), 12))

        def decode(self, z):
            return np.full((len(z), SIDE * SIDE), 0.5)

        def to_arrays(self):
            return {"weights": np.arange(3.0)}

    result = latent_result(task, Blind(), 0.0)
    assert np.isnan(float(result["latent_error"]))
    assert np.isfinite(float(result["psnr"]))
    assert result["network_weights"].values.tolist() == [0.0, 1.0, 2.0]


REP = 'representation = "charge(1) + charge(2) + charge(3) + trivial(6)"'
BAD_FILES = {
    "wrong dimension": (OWN.replace("[pairs]", "dimension = 24\n[pairs]"), "acts on R^12, but dimension = 24"),
    "not a representation": (OWN.replace("charge(1)", "charge(1, 2)"), "SO(2) needs 1 charges, got 2"),
    "unknown name": (OWN.replace("charge(1)", "charges(1)"), "unknown name 'charges' (did you mean 'charge'?)"),
    "none at all": (OWN.replace(REP, ""), "needs [latent] with representation"),
    "steps of C_4 that are angles": (
        OWN.replace(REP, 'group = "cyclic(4)"\nrepresentation = "regular"'),
        "whole numbers of steps of 1/4 turn",
    ),
    "unknown key": (OWN + "angle = 3\n", "unknown key 'angle' in [pairs] (did you mean 'angles'?)"),
    "unknown table": (OWN + "[training2]\n", "unknown key or table 'training2'"),
    "steps": (OWN + "[training]\nsteps = 0\n", "steps in [training]"),
    "no pairs": (OWN.partition("[pairs]")[0], "needs a table [pairs]"),
    "no archive": (OWN.replace("own.npz", "nowhere.npz"), "nowhere.npz: cannot be read"),
    "another file": (OWN.replace("own.npz", "own.csv"), 'must be "digits" or end in .npz'),
    "digits under C_5": (
        OWN.replace(REP, 'group = "cyclic(5)"\nrepresentation = "regular"').replace("own.npz", "digits"),
        "with C_5, angles must be 5, got 36",
    ),
    "digits under SO(3)": (
        OWN.replace(REP, 'group = "so(3)"\nrepresentation = "irrep(1)"').replace("own.npz", "digits"),
        "images turn by a group of the plane",
    ),
    "not TOML": ("[latent", "is not valid TOML"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(mfsym, own, tmp_path, name):
    text, reason = BAD_FILES[name]
    own(text)
    assert refused(mfsym("latent", "own.toml", "-o", "own.nc", "--steps", 1), reason)
    assert not (tmp_path / "own.nc").exists()


def test_a_missing_extra_is_told_in_one_line(mfsym, own, tmp_path, monkeypatch):
    for name in ("jax", "equinox", "optax"):
        monkeypatch.setitem(sys.modules, name, None)
    assert refused(mfsym("latent", "own.toml", "-o", "own.nc", "-q"), "pip install 'mfsym[jax]'")
    assert not (tmp_path / "own.nc").exists()


BAD_OPTIONS = {
    "no output": (("own.toml",), "-o is needed"),
    "another suffix": (("own.toml", "-o", "own.png"), "must end in .nc"),
    "an option of discovery": (("own.toml", "-o", "own.nc", "--angle", 3), "--angle is no option of training"),
    "an option of training": (("own.toml", "--discover", "--rate", 1), "--rate is no option of --discover"),
    "following a file": (("own.toml", "--traverse", 1), "--traverse needs a result"),
    "several angles": (("own.toml", "--discover"), "a discovery needs pairs of one element"),
    "another picture": (("own.nc", "--traverse", 1, "-o", "a.gif"), "an orbit is written as .nc"),
    "a result without traverse": (("own.nc",), "is looked into by --traverse I"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_are_refused(mfsym, own, tmp_path, name):
    options, reason = BAD_OPTIONS[name]
    (tmp_path / "own.nc").write_bytes(b"")
    assert refused(mfsym("latent", *options), reason)
    assert (tmp_path / "own.nc").read_bytes() == b""


ENSEMBLES = '[training]\ntrainer = "ensembles"\nparticles = 8\nsteps = 5\n'


@pytest.mark.parametrize(("shape", "assumed"), [((-1, SIDE * SIDE), True), ((-1, 1, SIDE * SIDE), False)])
def test_an_assumed_shape_is_told(mfsym, own, tmp_path, shape, assumed):
    """Rows of a square number are taken as images, said in the table; (n, 1, features) are no images."""
    own(OWN + ENSEMBLES, x1=X1.reshape(shape), x2=X2.reshape(shape))
    done = mfsym("latent", "own.toml", "-o", "own.nc", "-q")
    assert done.exit_code == 0, done.output
    assert ("inputs taken as images of 12 x 12" in done.output) == assumed
    assert ("psnr_whole_image" in open_result(tmp_path / "own.nc")) == assumed


def test_json_holds_null_where_a_number_is_not_finite(mfsym, own, tmp_path):
    """Copying the input has no error where the group moves nothing: PSNR is infinite."""
    own(OWN + ENSEMBLES, x2=X1, g=0.0 * G)
    done = mfsym("latent", "own.toml", "-o", "own.nc", "-q", "--format", "json")
    found = json.loads(done.output, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert found["psnr_copy"] is None
    assert np.isinf(float(open_result(tmp_path / "own.nc")["psnr_copy"]))
    assert found["psnr"] > 0.0


def test_options_of_a_traversal_are_heeded_or_refused(mfsym, own, tmp_path):
    cyclic = OWN.replace(REP, 'group = "cyclic(4)"\nrepresentation = "regular"')
    own(cyclic + ENSEMBLES, g=np.arange(POLYGONS) % 4)
    assert mfsym("latent", "own.toml", "-o", "own.nc", "-q").exit_code == 0
    follow = ("latent", "own.nc", "--traverse", 1, "-o", "orbit.nc")
    assert refused(mfsym(*follow, "--turns", 8), "at every element of C_4, 4, got turns = 8")
    assert refused(mfsym(*follow, "--format", "json"), "--format json is no option of --traverse")
    assert not (tmp_path / "orbit.nc").exists()
    for turns in ((), ("--turns", 4)):
        assert mfsym(*follow, *turns).exit_code == 0
        assert open_result(tmp_path / "orbit.nc").sizes["turn"] == 4


def test_another_result_is_not_followed(mfsym, tmp_path):
    run = tmp_path / "run.nc"
    small = ("-n", 4, "--horizon", 0.5, "--batch-size", 4)
    assert mfsym("simulate", *small, "-o", run, "-q").exit_code == 0
    assert refused(
        mfsym("latent", run, "--traverse", 1, "-o", tmp_path / "a.png"), "needs a result of a training of latents"
    )
