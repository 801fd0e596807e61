"""The scripts of figures/ on toy Datasets: they draw, repeat byte for byte, leave out what is not a number."""

import ast
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mfsym.errors import MfsymError
from mfsym.stores.datasets import save

FIGURES = Path(__file__).parents[2] / "figures"
SCHEMES = ["vanilla", "da", "da-sampled", "fa", "ea"]
LAWS = ("rmd2_si", "rmd2_symmetrised")
MODELS = ("l2_symmetrisation", "l2_target", "l2_symmetrised_target")
CONFIG = {"sweep": {"seed": 0}, "training": {"alpha": 50.0, "tau": 1e-4, "horizon": 20.0, "unit": "matrix"}}


@pytest.fixture
def script(monkeypatch):
    """Import a script of figures/ by name."""
    monkeypatch.syspath_prepend(str(FIGURES))
    return importlib.import_module


def sweep(*inits, teachers=("wi",)):
    """A sweep's Dataset with two sizes and two replicates; EA at rounding level, as in a real one."""
    coords = {"teacher": list(teachers), "init": list(inits), "scheme": SCHEMES, "n": [5, 50]}
    coords |= {"replicate": [0, 1]}
    dims = tuple(coords)
    shape = tuple(len(values) for values in coords.values())
    values = 10.0 ** -(1.0 + np.arange(np.prod(shape)).reshape(shape) % 7)
    values[:, :, SCHEMES.index("ea")] = 1e-33
    variables = dict.fromkeys((*LAWS, *MODELS), (dims, values))
    variables["rmd2_pair"] = ((*dims, "other"), np.stack([values] * len(SCHEMES), axis=-1))
    variables["status"] = (dims, np.full(shape, "ok", dtype="<U8"))
    return xr.Dataset(variables, coords=coords | {"other": SCHEMES}, attrs={"config": json.dumps(CONFIG)})


def texts(figure):
    """All the words under the panels of a figure."""
    return " ".join(text.get_text() for text in figure.texts)


def drawn(figure):
    """Every finite y value of every line of a figure."""
    lines = [np.asarray(line.get_ydata(), dtype=float) for axes in figure.axes for line in axes.lines]
    values = np.concatenate(lines)
    return values[np.isfinite(values)]


@pytest.mark.parametrize(("name", "init"), [("fig3", "si"), ("demo", "si"), ("fig6", "wi")])
def test_a_script_writes_pdf_and_png_from_a_sweeps_file(name, init, script, tmp_path):
    save(sweep(init, teachers=("arbitrary", "wi")), tmp_path / "toy.nc")
    out = tmp_path / "out" / f"{name}.pdf"
    script("style").main(script(name).draw, [str(tmp_path / "toy.nc"), str(out)])
    assert out.read_bytes().startswith(b"%PDF")
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_same_result_gives_the_same_bytes(script, tmp_path):
    style, draw = script("style"), script("fig3").draw
    first = [path.read_bytes() for path in style.render(draw, [sweep("si")], tmp_path / "a" / "fig")]
    second = [path.read_bytes() for path in style.render(draw, [sweep("si")], tmp_path / "b" / "fig")]
    assert first == second
    other = sweep("si")
    other["rmd2_si"] = 0.5 * other["rmd2_si"]
    third = [path.read_bytes() for path in style.render(draw, [other], tmp_path / "c" / "fig")]
    assert third != first


def test_diverged_trainings_are_left_out_and_counted(script):
    draw = script("fig3").draw
    dataset = sweep("si")
    assert "diverged" not in texts(draw(dataset))
    dataset["status"][{"teacher": 0, "scheme": 0, "n": 1}] = "diverged"
    figure = draw(dataset)
    assert "Left out of 20 trainings: 2 diverged." in texts(figure)
    assert drawn(figure).size < drawn(draw(sweep("si"))).size


def test_values_at_rounding_level_do_not_squash_the_axis(script):
    boxes = script("boxes")
    dataset = sweep("wi")
    assert float(dataset["rmd2_si"].min()) < boxes.ROUNDING
    figure = script("fig6").draw(dataset)
    bottoms = [axes.get_ylim()[0] for axes in figure.axes]
    assert min(bottoms) > boxes.ROUNDING
    assert drawn(figure).min() > boxes.ROUNDING


def test_captions_state_the_parameters(script):
    text = texts(script("fig3").draw(sweep("si")))
    for part in ("α = 50", "τ = $10^{-4}$", "T = 20", "matrix unit", "2 replicates", "seed 0"):
        assert part in text


def test_a_result_without_the_start_is_refused_in_one_line(script, tmp_path, capsys):
    with pytest.raises(MfsymError, match="init=si"):
        script("fig3").draw(sweep("wi"))
    save(sweep("wi"), tmp_path / "toy.nc")
    with pytest.raises(SystemExit) as stop:
        script("style").main(script("fig3").draw, [str(tmp_path / "toy.nc"), str(tmp_path / "out.pdf")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.pdf").exists()


def test_scripts_read_results_and_never_simulate():
    allowed = {"mfsym.errors", "mfsym.plotting", "mfsym.stores.datasets", "mfsym.stores.publishing"}
    for path in FIGURES.glob("*.py"):
        imported = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert {name for name in imported if name.startswith("mfsym")} <= allowed, path.name
