"""Figures of diffusion on shapes, from small results."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.experiments.diffusions import compare_samplers
from mfsym.quotients.shape_files import load_shapes
from mfsym.stores import save
from tests.meta.sources import ROOT
from tests.sizes import compiled

pytestmark = compiled

RADII = """
centred = false
samples = 60
paths = 20
[[template]]
name = "inner"
points = [[0.8, 0.0]]
[[template]]
name = "outer"
points = [[2.4, 0.0]]
[[sampler]]
name = "conventional"
method = "sde"
integrator = "plain"
steps = 8
[[sampler]]
name = "quotient"
method = "sde"
steps = 8
"""

SPACE = """
samples = 60
replicates = 2
[[template]]
name = "chain"
points = [[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [2.2, 1.3, 0.0], [3.7, 1.3, 0.4]]
[[template]]
name = "bent"
points = [[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [2.2, 1.3, 0.0], [1.5, 2.2, 0.9]]
[[sampler]]
name = "ODE"
steps = 8
[[sampler]]
name = "aligned target"
denoiser = "aligned"
steps = 8
"""


@pytest.fixture
def script(monkeypatch):
    """Import a script of figures/ by name."""
    monkeypatch.syspath_prepend(str(ROOT / "figures"))
    return importlib.import_module


@pytest.fixture
def result(tmp_path):
    """A function that compares the samplers of a shapes file given as text."""

    def made(text):
        path = tmp_path / "shapes.toml"
        path.write_text(text)
        return compare_samplers(path)

    return made


def texts(figure):
    """All the words under a figure."""
    return " ".join(text.get_text() for text in figure.texts)


def test_paths_on_the_quotient_are_drawn_as_rays(result, script):
    dataset = result(RADII)
    points = dataset["paths"].values[1, :, :, 0]
    angles = np.arctan2(points[..., 1], points[..., 0])
    assert np.abs(np.exp(1j * (angles - angles[0])).imag).max() < 1e-9
    assert np.ptp(np.unwrap(np.arctan2(*dataset["paths"].values[0, :, 0, 0].T))) > 1e-3
    figure = script("quotient-paths").draw(dataset)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["conventional", "quotient"]
    assert "paths are rays" in texts(figure)
    with pytest.raises(MfsymError, match="one point in the plane"):
        script("quotient-paths").draw(result(SPACE.replace("replicates = 2", "paths = 2")))


def test_populations_are_drawn_for_every_sampler(result, script, tmp_path):
    dataset = result(SPACE)
    figure = script("quotient-populations").draw(dataset)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["ODE", "aligned target"]
    assert "60\u00a0samples a run, 2 runs a sampler" in texts(figure)
    save(dataset, tmp_path / "toy.nc")
    out = tmp_path / "populations.pdf"
    script("style").main(script("quotient-populations").draw, [str(tmp_path / "toy.nc"), str(out)])
    assert out.read_bytes().startswith(b"%PDF")


def test_molecules_are_drawn_with_their_weights(result, script):
    figure = script("quotient-molecules").draw(result(SPACE))
    titles = [axes.get_title() for part in figure.subfigs for axes in part.axes]
    assert titles[:2] == ["0: 0.5", "1: 0.5"]
    assert "Mean coverage" in texts(figure)
    with pytest.raises(MfsymError, match="shapes in space"):
        script("quotient-molecules").draw(result(RADII))


@pytest.mark.parametrize("name", ["plane", "paths", "learned"])
def test_the_sims_of_shapes_can_be_read(name):
    shapes = load_shapes(ROOT / "sims" / f"shapes-{name}.toml")
    assert len(shapes.file.sampler) >= 2
