"""Figures of diffusion on shapes, from small results."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.experiments.diffusions import compare_samplers
from mfsym.figures import figure, main
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
def result(tmp_path):
    """A function that compares the samplers of a shapes file given as text."""

    def made(text):
        path = tmp_path / "shapes.toml"
        path.write_text(text)
        return compare_samplers(path)

    return made


def texts(drawn):
    """All the words under a figure."""
    return " ".join(text.get_text() for text in drawn.texts)


def test_paths_on_the_quotient_are_drawn_as_rays(result):
    dataset = result(RADII)
    points = dataset["paths"].values[1, :, :, 0]
    angles = np.arctan2(points[..., 1], points[..., 0])
    assert np.abs(np.exp(1j * (angles - angles[0])).imag).max() < 1e-9
    assert np.ptp(np.unwrap(np.arctan2(*dataset["paths"].values[0, :, 0, 0].T))) > 1e-3
    drawn = figure("quotient-paths")(dataset)
    assert [axes.get_title() for axes in drawn.axes[:2]] == ["conventional", "quotient"]
    assert "paths are rays" in texts(drawn)
    with pytest.raises(MfsymError, match="one point in the plane"):
        figure("quotient-paths")(result(SPACE.replace("replicates = 2", "paths = 2")))


def test_populations_are_drawn_for_every_sampler(result, tmp_path):
    dataset = result(SPACE)
    drawn = figure("quotient-populations")(dataset)
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == ["ODE", "aligned target"]
    assert "60\u00a0samples a run, 2 runs a sampler" in texts(drawn)
    save(dataset, tmp_path / "toy.nc")
    out = tmp_path / "populations.pdf"
    main("quotient-populations", [str(tmp_path / "toy.nc"), str(out)])
    assert out.read_bytes().startswith(b"%PDF")


def test_molecules_are_drawn_with_their_weights(result):
    drawn = figure("quotient-molecules")(result(SPACE))
    titles = [axes.get_title() for part in drawn.subfigs for axes in part.axes]
    assert titles[:2] == ["0: 0.5", "1: 0.5"]
    assert "Mean coverage" in texts(drawn)
    with pytest.raises(MfsymError, match="shapes in space"):
        figure("quotient-molecules")(result(RADII))


@pytest.mark.parametrize("name", ["plane", "paths", "learned"])
def test_the_sims_of_shapes_can_be_read(name):
    shapes = load_shapes(ROOT / "sims" / f"shapes-{name}.toml")
    assert len(shapes.file.sampler) >= 2
