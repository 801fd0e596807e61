"""CONTRIBUTING's recipes, each followed to its end: what one adds works wherever it should."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import mfsym as mf
from mfsym import figures, variables
from mfsym.dynamics import noises
from mfsym.experiments import measures
from mfsym.stores import save
from tests.meta.sources import ROOT
from tests.meta.test_floors import FLOORS
from tests.sizes import compiled
from tests.tolerances import ALGEBRA

pytestmark = compiled

TINY: dict[str, Any] = {"n": 6, "horizon": 0.5, "alpha": 5.0, "batch_size": 4}
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_table_of_floors_is_the_one_that_is_checked() -> None:
    rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", TEXT, re.M))
    stated = {int(floor): set(re.findall(r"`(\w+)/?`", names)) for floor, names in rows.items()}
    assert stated == {floor: set(names) for floor, names in FLOORS.items()}


def test_every_path_that_the_document_names_exists() -> None:
    named = set(re.findall(r"`((?:mfsym|tests|figures|sims|docs|benchmarks)/[\w/.-]+)`", TEXT))
    assert len(named) > 8
    assert [path for path in sorted(named) if "NAME" not in path and not (ROOT / path).exists()] == []


def test_a_group_is_its_generators() -> None:
    """The quaternion group: 8 elements, and on R^4 by left multiplication nothing fixed."""
    i = np.kron(np.eye(2), [[0.0, -1.0], [1.0, 0.0]])
    j = np.array([[0.0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]])
    group = mf.from_generators([i, j], name="Q8")
    rho = group.vector()
    assert group.order == 8
    everyone = rho(group.quadrature().elements)
    assert np.abs(everyone @ np.swapaxes(everyone, 1, 2) - np.eye(4)).max() < ALGEBRA
    assert rho.fixed_subspace().dimension == 0
    unit = mf.UVUnit("softplus", rho, group.trivial())
    run = mf.compare(mf.Teacher(unit, np.eye(5)), schemes=("vanilla", "fa"), **TINY)
    assert set(run.status.values.ravel()) == {"ok"}


class Swish(mf.Unit):
    """v s(u.x) with s(a) = a / (1 + e^-a): forward, pullback and action, nothing else."""

    name = "swish"

    def _induced_action(self) -> mf.Representation:
        return self.rho_x + self.rho_y

    def _parts(self, x: Any, z: Any) -> tuple[Any, Any]:
        a = x @ z[:, : self.d].T
        gate = 1.0 / (1.0 + np.exp(-a))
        return a * gate, gate * (1.0 + a * (1.0 - gate))

    def _sigma(self, x: Any, z: Any) -> Any:
        return self._parts(x, z)[0][:, :, None] * z[:, self.d :]

    def _pullback(self, x: Any, z: Any, r: Any) -> Any:
        value, slope = self._parts(x, z)
        return np.hstack([(slope * (r @ z[:, self.d :].T)).T @ x, value.T @ r])


class Doubled(mf.Scheme):
    """Each sample twice, as itself and as its image under the last element of the group."""

    name = "doubled"
    mark = mf.Mark("doubled", "#123456", "*")

    def lift(self, x: Any, y: Any, key: Any, first_step: int) -> mf.LiftedBatches:
        nodes = self.orbit.nodes_x[-1], self.orbit.nodes_y[-1]
        inputs, outputs = np.concatenate([x, x @ nodes[0].T], axis=1), np.concatenate([y, y @ nodes[1].T], axis=1)
        one, c = np.ones(1), y.shape[2]
        weights = np.full(inputs.shape[1], 1.0 / inputs.shape[1])
        return mf.LiftedBatches(inputs[:, :, None], outputs, np.eye(c)[None], one, weights)


def test_a_unit_and_a_scheme_are_classes_and_train_everywhere() -> None:
    swap = mf.cyclic(2).permutation()
    teacher = mf.Teacher(Swish("identity", swap, swap), 0.3 * np.eye(4))
    table = mf.compare(teacher, schemes=("da", Doubled), **TINY)
    assert table.scheme.values.tolist() == ["da", "doubled"]
    assert np.allclose(table.risk.sel(scheme="da"), table.risk.sel(scheme="doubled"), rtol=1e-3)
    with pytest.raises(mf.NotEquivariant):
        mf.MatrixUnit("softplus", mf.dihedral(4).vector(), mf.dihedral(4).vector())


def test_a_result_variable_is_one_entry_and_one_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "largest_particle"
    entry = variables.Variable(name, "float", "largest |z_i| of the law", "|z|")
    measure = measures.Measure(name, lambda law: float(np.linalg.norm(law.z, axis=1).max()))
    with pytest.raises(mf.MfsymError, match="a measure must be one of"):
        mf.measure(*_state(), names=(name,))
    monkeypatch.setitem(variables.VARIABLES, name, entry)
    monkeypatch.setattr(measures, "MEASURES", {**measures.MEASURES, name: measure})
    dynamics, state = _state()
    assert mf.measure(dynamics, state, names=(name,))[name] == np.linalg.norm(state.z, axis=1).max()
    assert measure.entry.attrs()["units"] == "|z|"


def _state() -> tuple[mf.NoisySGD, mf.State]:
    teacher = mf.reference_teacher("wi")
    dynamics = mf.NoisySGD(teacher.unit, "vanilla", teacher)
    return dynamics, dynamics.init(mf.init_particles(teacher.unit, "wi", 5, seed=1))


def test_a_figure_is_one_entry_and_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(dataset: Any, look: Any = None) -> Figure:
        drawn = Figure(figsize=(2.0, 2.0))
        drawn.subplots().plot(dataset.time, dataset.risk)
        return drawn

    module = ModuleType("mfsym.figures.risks")
    module.draw = draw  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mfsym.figures.risks", module)
    entry = figures.Entry("risk against time", "a run", {"any": ("mfsym simulate -o results/run.nc",)})
    monkeypatch.setattr(figures, "FIGURES", {**figures.FIGURES, "risks": entry})
    save(mf.simulate("wi", snapshots=3, **TINY), tmp_path / "run.nc")
    figures.main("risks", [str(tmp_path / "run.nc"), str(tmp_path / "risks.pdf")])
    assert (tmp_path / "risks.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "risks.png").exists()
    assert "| `risks` | any | `mfsym simulate -o results/run.nc` | `figures/risks.py` |" in figures.markdown()


def test_a_proxy_is_any_function_of_the_raw_output() -> None:
    swap = mf.cyclic(2).permutation()
    model = SimpleNamespace(of=lambda x: np.stack([x[:, 0], 0.0 * x[:, 0]], axis=1))
    smallest = mf.symmetrise(model.of, swap, swap, "equizero", proxy=lambda y: y[:, 0])
    assert smallest(np.array([[1.0, 3.0]])).tolist() == [[1.0, 0.0]]


def test_a_noise_is_one_entry_of_the_registry() -> None:
    assert set(noises.NOISES) >= {"isotropic", "fixed"}
    for noise in noises.NOISES:
        run = mf.simulate("wi", noise=noise, **TINY)
        assert np.isfinite(run.rmd2_si.values).all()
