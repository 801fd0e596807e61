"""One's own schemes, units, activations, start particles and schedules: everywhere, in one call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfsym as mf
from mfsym.cli import cli
from mfsym.configurations import Cell
from mfsym.dynamics.resnets import ResNetSGD, predict
from mfsym.experiments import run_cell
from mfsym.experiments.cells import told
from mfsym.experiments.measures import (
    CLASS_METRICS,
    CONVERGING,
    ERRORS,
    FLOWING,
    LAW_METRICS,
    MEASURES,
    MODEL_METRICS,
    SNAPSHOT,
)
from mfsym.experiments.setups import setup_of
from mfsym.plotting import SCHEMES, marks_of_result
from mfsym.problems import Problem
from mfsym.representations import hom
from mfsym.streams import normals, stream_key
from mfsym.variables import VARIABLES
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, ROUNDOFF32, SPLIT

pytestmark = compiled

KEY = stream_key(11, "init")
TEACHER = mf.reference_teacher("arbitrary")
UNIT = TEACHER.unit
START = 0.5 * normals(KEY, 0, 8, 4)
TINY: dict[str, Any] = {"n": 8, "horizon": 0.5, "alpha": 5.0, "batch_size": 4, "dtype": "float64"}
LIMIT: dict[str, Any] = {"n": 8, "horizon": 0.25, "alpha": 5.0, "beta": 0.0, "accuracy": mf.Accuracy(order=8)}


class Averaged(mf.Scheme):
    """Feature averaging, written from the hooks alone."""

    mark = mf.Mark("mine", "#123456", "*")

    @property
    def readout(self) -> mf.Orbit:
        return self.orbit

    def lift(self, x: Any, y: Any, key: Any, first_step: int) -> mf.LiftedBatches:
        weights = np.full(x.shape[1], 1.0 / x.shape[1])
        images = self.orbit.images(self.orbit.nodes_x, x)
        return mf.LiftedBatches(images, y, self.orbit.nodes_y, self.orbit.weights, weights)


class Inside(mf.Scheme):
    """The equivariant architecture, written from the hooks alone."""

    @property
    def projector(self) -> Any:
        return self.unit.fixed_subspace.projector

    def particles(self, z: Any) -> Any:
        return self.unit.fixed_subspace.project(np.asarray(z, dtype=np.float64))


class Projected(mf.Scheme):
    """The equivariant architecture from its projector alone: the default ``particles`` projects the start."""

    @property
    def projector(self) -> Any:
        return self.unit.fixed_subspace.projector


class Subset(Averaged):
    """One random element of the group a step, by which inputs, outputs and read-out are moved: K = 1 in each step."""

    def picks(self, key: Any, first_step: int, steps: int) -> Any:
        return self.unit.group.haar(np.array(key, dtype=np.uint32), 0, first_step + steps)[first_step:]

    def lift(self, x: Any, y: Any, key: Any, first_step: int) -> mf.LiftedBatches:
        drawn = self.picks(key, first_step, len(x))
        images = np.einsum("sij,sbj->sbi", self.unit.rho_x(drawn), x)[:, :, None]
        matrices, one = self.unit.rho_y(drawn)[:, None], np.ones((len(x), 1))
        return mf.LiftedBatches(images, y, matrices, one, np.full(x.shape[1], 1.0 / x.shape[1]))


class OwnMatrix(mf.Unit):
    """The matrix unit with tanh, in NumPy and under another name."""

    name = "own-matrix"

    def _induced_action(self) -> mf.Representation:
        return hom(self.rho_x, self.rho_y)

    def _before(self, x: Any, z: Any) -> Any:
        return np.einsum("ncd,bd->bnc", z.reshape(len(z), self.c, self.d), x)

    def _sigma(self, x: Any, z: Any) -> Any:
        return np.tanh(self._before(x, z))

    def _pullback(self, x: Any, z: Any, r: Any) -> Any:
        slope = 1.0 - np.tanh(self._before(x, z)) ** 2
        return np.einsum("bnc,bc,bd->ncd", slope, r, x).reshape(z.shape)


def _tanh_slope(a: Any) -> Any:
    return 1.0 - np.tanh(a) ** 2


TANH = mf.Activation("own-tanh", np.tanh, _tanh_slope)


def config(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.attrs["config"])
    return found


# schemes


def test_a_projector_projects_the_start_the_force_and_the_noise() -> None:
    options: dict[str, Any] = {"alpha": 5.0, "batch_size": 4, "dtype": "float64", "beta": 1e-2, "noise": "isotropic"}
    runs = [mf.NoisySGD(UNIT, name, TEACHER, **options) for name in (Projected, "ea", "vanilla")]
    starts = [run.init(START) for run in runs]
    ends = [run.step(start, 4) for run, start in zip(runs, starts, strict=True)]
    off = UNIT.fixed_subspace.complement()
    for states in (starts, ends):
        assert np.abs(states[0].z - states[1].z).max() < ALGEBRA
        assert np.abs(off.project(states[0].z)).max() < ALGEBRA
        assert np.abs(off.project(states[2].z)).max() > SPLIT


def test_a_scheme_with_a_method_for_a_property_is_refused() -> None:
    with pytest.raises(mf.MfsymError, match=r"Written\.projector must be a property, got a method"):
        type("Written", (mf.Scheme,), {"projector": lambda self: np.eye(4)})
    plain = type("Plain", (mf.Scheme,), {"projector": np.eye(3)})
    with pytest.raises(mf.MfsymError, match=r"projector of 'vanilla' must have shape \(4, 4\), got \(3, 3\)"):
        mf.NoisySGD(UNIT, plain, TEACHER).init(START)


@pytest.mark.parametrize(("own", "known"), [(Averaged, "fa"), (Inside, "ea")])
def test_a_new_scheme_is_what_its_hooks_say_everywhere(own: type[mf.Scheme], known: str) -> None:
    options: dict[str, Any] = {"alpha": 5.0, "batch_size": 4, "dtype": "float64"}
    for scheme in (own, own(UNIT)):
        one, other, plain = (mf.NoisySGD(UNIT, name, TEACHER, **options) for name in (scheme, known, "vanilla"))
        ends = [each.step(each.init(START), 4) for each in (one, other, plain)]
        assert np.array_equal(ends[0].z, ends[1].z)
        assert np.abs(ends[0].z - ends[2].z).max() > SPLIT
        nets = [ResNetSGD(UNIT, name, TEACHER, depth=2, **options) for name in (scheme, known, "vanilla")]
        layers = [net.step(net.init(np.stack([START, -START])), 3).z for net in nets]
        assert np.array_equal(layers[0], layers[1])
        assert np.abs(layers[0] - layers[2]).max() > SPLIT
        assert np.array_equal(*(predict(net.scheme, START[:, :2], layers[0]) for net in nets[:2]))
        flows = [
            mf.MeanFieldFlow(UNIT, name, TEACHER, alpha=5.0, accuracy=mf.Accuracy(order=8)) for name in (scheme, known)
        ]
        clouds = [next(iter(flow.flow(flow.init(START), [0.25]))).z for flow in flows]
        assert np.array_equal(*clouds)


def test_a_new_scheme_goes_through_every_study() -> None:
    together = mf.compare(TEACHER, schemes=("fa", Averaged, Averaged(UNIT).__class__.__base__), init="wi", **TINY)
    assert together["scheme"].values.tolist() == ["fa", "Averaged", "vanilla"]
    one, other, plain = (together.sel(scheme=name) for name in ("fa", "Averaged", "vanilla"))
    for name in ("risk", "rmd2_si", "particles"):
        assert np.array_equal(one[name], other[name])
        assert not np.array_equal(one[name], plain[name])
    assert config(together)["own_schemes"] == {"Averaged": "a Python class: not recorded"}
    alone = [mf.simulate(TEACHER, scheme, snapshots=2, init="wi", **TINY) for scheme in (Averaged, "fa")]
    assert np.array_equal(alone[0]["risk"], alone[1]["risk"])
    assert config(alone[0])["schemes"] == ["Averaged"]
    limits = [mf.flow(TEACHER, scheme, snapshots=2, init="wi", **LIMIT) for scheme in (Averaged, "fa")]
    assert all(np.array_equal(limits[0][name], limits[1][name]) for name in ("risk", "particles", "energy"))
    rates = {"sizes": (4, 8), "replicates": 2, "times": (0.25,), "limit_n": 8, "accuracy": LIMIT["accuracy"]}
    found = [mf.converge(TEACHER, scheme, init="wi", alpha=5.0, beta=0.0, **rates) for scheme in (Averaged, "fa")]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in CONVERGING)
    portraits = [mf.phase_portrait(TEACHER, scheme, grid=3, times=[0.1], **LIMIT) for scheme in (Averaged, "fa")]
    assert np.array_equal(portraits[0]["drift"], portraits[1]["drift"])


def test_results_say_what_noise_a_new_scheme_feels() -> None:
    runs = mf.compare(TEACHER, schemes=("vanilla", Inside), init="wi", **TINY)
    assert runs.attrs["noise"] == "isotropic, projected for Inside"
    assert mf.simulate(TEACHER, Inside, init="wi", snapshots=1, **TINY).attrs["noise"] == "projected"


def test_marks_are_a_scheme_s_own_or_free_ones() -> None:
    runs = mf.compare(TEACHER, schemes=("fa", Averaged, Inside), **TINY)
    marks = marks_of_result(runs)
    assert marks["fa"] == SCHEMES["fa"] == mf.SCHEMES["fa"].mark
    assert marks["Averaged"] == Averaged.mark
    assert marks["Inside"].colour not in {mark.colour for name, mark in marks.items() if name != "Inside"}
    assert mf.SCHEMES["fa"].mark != Subset.mark
    assert Subset.mark is None
    with pytest.raises(mf.MfsymError, match="must be #RRGGBB, got 'red'"):
        mf.Mark("mine", "red", "o").tint()


def test_properties_are_found_and_not_stated() -> None:
    assert [name for name, scheme in mf.SCHEMES.items() if scheme.projects] == ["ea"]
    assert Inside.projects
    assert not Averaged.projects
    assert {name: mf.get_scheme(name, UNIT).nodes for name in mf.SCHEMES} == {
        "vanilla": 1,
        "da": 2,
        "da-sampled": 1,
        "fa": 2,
        "ea": 1,
    }
    assert (Averaged(UNIT).nodes, Subset(UNIT).nodes) == (2, 1)


def test_schemes_of_one_s_own_are_refused_in_one_line() -> None:
    class Same(Averaged):
        name = "fa"

    for call, words in (
        (lambda: mf.compare(TEACHER, schemes=("fa", Same), **TINY), "a scheme of your own needs a name of its own"),
        (lambda: mf.compare(TEACHER, schemes=(Averaged, Averaged), **TINY), "schemes must name each scheme once"),
        (lambda: mf.compare(TEACHER, schemes=("mine",), **TINY), "schemes must be one of"),
        (lambda: mf.simulate(TEACHER, 5, **TINY), "scheme must be one of"),  # type: ignore[arg-type]
        (lambda: mf.simulate(TEACHER, ("fa",), **TINY), "scheme must be one of"),  # type: ignore[arg-type]
    ):
        with pytest.raises(mf.MfsymError, match=words):
            call()
    small = mf.UVUnit("tanh", mf.cyclic(2).trivial(1), mf.cyclic(2).trivial(1))
    with pytest.raises(mf.MfsymError, match="must be made of the unit it trains"):
        mf.NoisySGD(UNIT, Averaged(small), TEACHER)


def test_a_random_subset_of_the_group_each_step_is_right_for_every_output() -> None:
    """Moving the prediction back by the element of its step: the same as moving the targets, step by step."""
    options: dict[str, Any] = {"alpha": 5.0, "batch_size": 4, "beta": 0.0, "dtype": "float64"}
    scheme, steps = Subset(UNIT), 5
    together = mf.NoisySGD(UNIT, scheme, TEACHER, **options)
    end = together.step(together.init(START, seed=3), steps)
    z = START.copy()
    drawn = scheme.picks(stream_key(3, "haar"), 0, steps)
    assert len(set(np.asarray(drawn).tolist())) == 2
    for k in range(steps):
        x, y = TEACHER.draw(stream_key(3, "data"), 4 * k, 4)
        element = np.asarray(drawn)[k]
        moved, rho = x @ UNIT.rho_x(element).T, UNIT.rho_y(element)
        error = UNIT.predict(moved, z) @ rho - y
        slope = UNIT.pullback(moved, z, 2.0 * error @ rho.T / 4.0)
        z = z - together.alpha / len(z) * (slope + 2.0 * together.tau * z)
    assert np.abs(end.z - z).max() < ALGEBRA
    wrong = mf.NoisySGD(UNIT, "vanilla", TEACHER, **options)
    assert np.abs(wrong.step(wrong.init(START, seed=3), steps).z - z).max() > SPLIT


def test_a_random_element_each_step_is_read_layer_by_layer_in_a_network() -> None:
    """One layer of depth one is h = x + Phi: its slopes by hand, step by step."""
    options: dict[str, Any] = {"alpha": 5.0, "batch_size": 4, "beta": 0.0, "dtype": "float64"}
    net = ResNetSGD(UNIT, Subset, TEACHER, depth=1, **options)
    end = net.step(net.init(START[None], seed=3), 4)
    z, drawn = START.copy(), np.asarray(Subset(UNIT).picks(stream_key(3, "haar"), 0, 4))
    for k in range(4):
        x, y = TEACHER.draw(stream_key(3, "data"), 4 * k, 4)
        rho = UNIT.rho_x(drawn[k])
        error = x + UNIT.predict(x @ rho.T, z) @ rho - y
        z = z - net.alpha / len(z) * (UNIT.pullback(x @ rho.T, z, 2.0 * error @ rho.T / 4.0) + 2.0 * net.tau * z)
    assert np.abs(end.z[0] - z).max() < ALGEBRA
    plain = ResNetSGD(UNIT, "vanilla", TEACHER, depth=1, **options)
    assert np.abs(plain.step(plain.init(START[None], seed=3), 4).z[0] - z).max() > SPLIT


# units and activations


def _own_problem() -> Problem:
    swap = mf.cyclic(2).permutation()
    return Problem("own", OwnMatrix("tanh", swap, swap), mf.reference_teacher("arbitrary", "matrix", "tanh"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [8, 1500])
def test_any_unit_trains_as_a_compiled_one(n: int, dtype: str) -> None:
    teacher = mf.reference_teacher("arbitrary", "matrix", "tanh")
    start = 0.5 * normals(KEY, 1, n, 4)
    options: dict[str, Any] = {"alpha": 5.0, "batch_size": 4, "beta": 1e-3, "dtype": dtype}
    ends = []
    for unit in (_own_problem().unit, teacher.unit, mf.reference_unit("matrix", TANH)):
        dynamics = mf.NoisySGD(unit, "fa", teacher, **options)
        ends.append(dynamics.step(dynamics.init(start), 3).z)
    tolerance = ALGEBRA if dtype == "float64" else ROUNDOFF32
    assert np.abs(ends[0] - ends[1]).max() < tolerance
    assert np.abs(ends[2] - ends[1]).max() < tolerance
    assert np.abs(ends[1] - start).max() > SPLIT


def test_any_unit_goes_through_studies() -> None:
    runs = [mf.compare(problem, schemes=("fa",), **TINY) for problem in (_own_problem(), "arbitrary")]
    assert config(runs[0])["unit"] == "own-matrix"
    teacher = mf.reference_teacher("arbitrary", "matrix", "tanh")
    assert abs(runs[0]["risk"].item() - mf.compare(teacher, schemes=("fa",), **TINY)["risk"].item()) < ALGEBRA
    flows = [mf.flow(problem, snapshots=2, **LIMIT) for problem in (_own_problem(), teacher)]
    assert np.abs(flows[0]["particles"].values - flows[1]["particles"].values).max() < SPLIT
    assert _own_problem().unit.group == mf.cyclic(2)


def test_a_network_and_a_user_unit_go_through_studies() -> None:
    group = mf.cyclic(2)
    swap = group.permutation()
    network = mf.MLPUnit(TANH, swap, swap, hidden=[swap])
    known = mf.MLPUnit("tanh", swap, swap, hidden=[swap])
    particles = normals(KEY, 2, 3, known.p)
    risks = [
        mf.simulate(mf.Teacher(unit, particles), "da", snapshots=2, **TINY)["risk"].values for unit in (network, known)
    ]
    assert np.abs(risks[0] - risks[1]).max() < ALGEBRA

    def forward(x: Any, z: Any, out: Any) -> None:
        out[0] = np.tanh(z[0] * x[0] + z[1] * x[1])
        out[1] = np.tanh(z[2] * x[0] + z[3] * x[1])

    unit = mf.UserUnit(forward, swap, swap, hom(swap, swap))
    table = mf.compare(mf.Teacher(unit, START), schemes=("vanilla", "fa"), **TINY)
    assert np.isfinite(table["risk"]).all()
    assert config(table)["unit"] == "user"


def test_an_activation_of_one_s_own() -> None:
    own, known = (mf.simulate("wi", activation=name, snapshots=2, **TINY) for name in (TANH, "tanh"))
    assert np.abs(own["risk"].values - known["risk"].values).max() < ALGEBRA
    assert config(own)["activation"] == "own-tanh"
    assert config(own)["own_activation"] == "a Python function: not recorded"
    for function, slope, words in (
        (np.tanh, np.tanh, "must be its derivative"),
        (lambda a: a - a.mean(), np.ones_like, "must be its derivative"),
        (lambda a: a[:1], np.ones_like, "entry by entry"),
        (lambda a: undefined(a), np.ones_like, "must take arrays"),
    ):
        with pytest.raises(mf.MfsymError, match=words):
            mf.Activation("bad", function, slope)
    with pytest.raises(mf.MfsymError, match="needs a name of its own"):
        mf.Activation("tanh", np.tanh, _tanh_slope)
    with pytest.raises(mf.MfsymError, match="needs a compiled unit"):
        ResNetSGD(mf.reference_unit("matrix", TANH), "fa", TEACHER, depth=2)


def undefined(a: Any) -> Any:
    raise TypeError("no such thing")


# starts and schedules


def test_start_particles_and_schedules_of_one_s_own(tmp_path: Path) -> None:
    np.save(tmp_path / "start.npy", START)
    rest = {key: value for key, value in TINY.items() if key != "n"}
    runs = [
        mf.simulate("wi", "fa", init=init, schedule=schedule, snapshots=2, **rest)
        for init, schedule in (
            (START, "1/(1+t)"),
            (tmp_path / "start.npy", lambda t: 1.0 / (1.0 + t)),
            (START, None),
        )
    ]
    assert runs[0].sizes["particle"] == len(START)
    assert np.array_equal(runs[0]["particles"], runs[1]["particles"])
    assert np.array_equal(runs[0]["particles"][0], START)
    assert not np.array_equal(runs[0]["particles"], runs[2]["particles"])
    digests = {config(run)["init"].rpartition(" ")[2] for run in runs}
    assert len(digests) == 1
    assert config(runs[0])["schedule"] == "1/(1+t)"
    assert config(runs[1])["schedule"] == "a Python function: not recorded"
    assert "schedule" not in config(runs[2])
    dynamics = mf.NoisySGD(
        UNIT, "fa", mf.reference_teacher("wi"), alpha=5.0, batch_size=4, dtype="float64", schedule=lambda t: 1 / (1 + t)
    )
    assert np.array_equal(dynamics.step(dynamics.init(START), 4).z, runs[0]["particles"][-1])
    table = mf.compare("wi", schemes=("fa",), init=START, schedule="1/(1+t)", **rest)
    assert np.array_equal(table["particles"].values[0, 0], runs[0]["particles"].values[-1])
    limit = mf.flow("wi", "fa", init=START, schedule="1/(1+t)", snapshots=2, **{**LIMIT, "n": None})
    assert np.array_equal(limit["particles"][0], START)
    inside = UNIT.fixed_subspace.project(START)
    assert mf.simulate("wi", init=inside, snapshots=1, **rest).attrs["noise"] == "projected"
    assert runs[0].attrs["noise"] == "isotropic"


def test_what_is_not_a_start_or_a_schedule_is_refused() -> None:
    for parameters, words in (
        ({"init": START[:, :3]}, r"init must be finite particles \(N, 4\), got shape \(8, 3\)"),
        ({"init": np.full((8, 4), np.nan)}, "init must be finite particles"),
        ({"init": START[0]}, "init must be a start law or particles"),
        ({"init": START[:4]}, "n must be the number of particles of init, 4, got 8"),
        ({"init": "si2"}, "init must be"),
        ({"schedule": "1/(1+s)"}, "a schedule: unknown name 's'"),
        ({"schedule": "-1"}, "schedule must be a function of times"),
        ({"schedule": 5}, "schedule must be a function of times"),
    ):
        with pytest.raises(mf.MfsymError, match=words):
            mf.simulate("wi", snapshots=1, **{**TINY, **parameters})
    with pytest.raises(mf.MfsymError, match="converge varies the number of particles"):
        mf.converge("wi", init=START, sizes=(4, 8), times=(0.25,))
    with pytest.raises(mf.MfsymError, match="a tolerance needs a start law"):
        mf.flow("wi", init=START, tolerance=0.1, **LIMIT)


def test_what_is_not_recorded_has_no_identity() -> None:
    named, teacher = setup_of("wi", ("fa",), TINY), mf.Teacher(UNIT, START, name="wi")
    assert named.cell.identity == Cell(schemes=("fa",), **TINY).identity
    for setup in (
        setup_of("wi", (Averaged,), TINY),
        setup_of("wi", ("fa",), {**TINY, "schedule": "1/(1+t)"}),
        setup_of(teacher, ("fa",), TINY),
    ):
        with pytest.raises(mf.MfsymError, match="not recorded, so it has no identity"):
            assert setup.cell.identity
    arrays = [setup_of("wi", ("fa",), {**TINY, "init": z}).cell for z in (START, START + 1.0)]
    assert len({cell.identity for cell in (*arrays, named.cell)}) == 3
    assert told(named.cell, named.problem) == named.cell
    assert run_cell(named.cell).cell == named.cell


# measures


def test_measures_and_the_data_dictionary_agree() -> None:
    written = {*LAW_METRICS, *MODEL_METRICS, *ERRORS, *CLASS_METRICS, *SNAPSHOT, *FLOWING, *CONVERGING}
    assert written == set(MEASURES)
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.entry is VARIABLES[name]
        assert measure.entry.kind in ("float", "int")
        assert measure.entry.dims == ()


def test_measure_gives_the_rows_that_studies_write() -> None:
    run = mf.simulate("arbitrary", "fa", snapshots=3, **TINY)
    dynamics = mf.NoisySGD(UNIT, "fa", TEACHER, alpha=5.0, batch_size=4, dtype="float64")
    start = dynamics.init(mf.init_particles(UNIT, "si", 8, 0))
    for k, state in enumerate(dynamics.flow(start, run["time"].values)):
        row = mf.measure(dynamics, state)
        assert tuple(row) == SNAPSHOT
        assert all(row[name] == run[name].values[k] for name in row)
    table = mf.compare("arbitrary", schemes=("fa",), **TINY)
    row = mf.measure(dynamics, state, (*LAW_METRICS, *MODEL_METRICS))
    assert all(row[name] == table[name].item() for name in row)
    with pytest.raises(mf.MfsymError, match="a measure must be one of"):
        mf.measure(dynamics, state, ["energy"])
    net = ResNetSGD(UNIT, "fa", TEACHER, depth=2)
    with pytest.raises(mf.MfsymError, match="measure needs the state of one layer"):
        mf.measure(net, net.init(np.stack([START, START])))


# one form of studies


def test_every_study_takes_a_name_a_teacher_and_a_problem() -> None:
    wi = mf.reference_teacher("wi")
    rates = {"sizes": (4, 8), "replicates": 2, "times": (0.25,), "limit_n": 8, "accuracy": LIMIT["accuracy"]}
    studies = {
        "simulate": lambda p: mf.simulate(p, snapshots=1, **TINY)["risk"],
        "compare": lambda p: mf.compare(p, schemes="fa", **TINY)["risk"],
        "flow": lambda p: mf.flow(p, snapshots=1, **LIMIT)["risk"],
        "converge": lambda p: mf.converge(p, alpha=5.0, beta=0.0, **rates)["risk"],
        "phase": lambda p: mf.phase_portrait(p, grid=3, times=[0.1], **LIMIT)["drift"],
        "discover": lambda p: mf.discover(p, rule="oracle", n=8, horizon=0.5, alpha=5.0)["rmd2"],
    }
    for name, study in studies.items():
        found = [study(problem).values for problem in ("wi", wi, Problem.of(wi))]
        assert all(np.array_equal(found[0], other) for other in found[1:]), name


def test_former_orders_of_arguments_still_work() -> None:
    cell, accuracy = Cell(schemes=("vanilla",), beta=0.0, **TINY), LIMIT["accuracy"]
    study = mf.Study((4, 8), 2, (0.25,), 8)
    parameters = {key: value for key, value in TINY.items() if key not in ("n", "horizon")}
    pairs = (
        (
            mf.converge(cell, study, TEACHER, UNIT, accuracy=accuracy),
            mf.converge(TEACHER, study=study, accuracy=accuracy, beta=0.0, **parameters),
        ),
        (
            mf.phase_portrait(cell, [0.1, 0.2], TEACHER, UNIT, grid=3, accuracy=accuracy),
            mf.phase_portrait(TEACHER, times=[0.1, 0.2], grid=3, accuracy=accuracy, beta=0.0, **TINY),
        ),
        (mf.simulate(teacher="si", snapshots=1, **TINY), mf.simulate("si", snapshots=1, **TINY)),
        (
            mf.trace(UNIT, TEACHER, "oracle", mf.Search(n=8, horizon=0.5, alpha=5.0)),
            mf.discover(problem=TEACHER, rule="oracle", search=mf.Search(n=8, horizon=0.5, alpha=5.0)),
        ),
    )
    for one, other in pairs:
        assert one.drop_vars("seconds", errors="ignore").identical(other.drop_vars("seconds", errors="ignore"))
    assert mf.discover(UNIT, TEACHER, "oracle", mf.Search(n=8, horizon=0.5)).rule == "oracle"
    for call, words in (
        (lambda: mf.converge("wi", n=5), "n is stated by sizes"),
        (lambda: mf.converge("wi", study=study, times=(1.0,)), "times is stated by the study"),
        (lambda: mf.converge("wi", "fa", TEACHER), "by name"),
        (lambda: mf.phase_portrait("wi", "fa", UNIT), "by name"),
        (lambda: mf.discover("wi", search=mf.Search(), n=5), "n is stated by the search"),
        (lambda: mf.discover("wi", speed=5), "unknown parameter 'speed'"),
        (lambda: mf.simulate("wi", teacher="si"), "the problem is given twice"),
    ):
        with pytest.raises(mf.MfsymError, match=words):
            call()


def test_a_study_takes_the_path_of_a_problem(tmp_path: Path) -> None:
    path = Path(__file__).parents[3] / "sims" / "problems" / "c4-counterexample.toml"
    parameters = {"alpha": 5.0, "horizon": 0.25}
    found = [
        mf.si_against_wi(problem, [4], replicates=2, **parameters)
        for problem in (path, str(path), mf.load_problem(path))
    ]
    assert all(found[0].identical(other) for other in found[1:])
    np.save(tmp_path / "particles.npy", START)
    own, teacher = (
        mf.simulate(problem, snapshots=1, **TINY)
        for problem in (tmp_path / "particles.npy", mf.Teacher(UNIT, START, name="particles"))
    )
    assert own.identical(teacher)


def test_workers_are_not_handed_what_they_cannot_load() -> None:
    with pytest.raises(mf.MfsymError, match="jobs=2 hands your objects to other processes"):
        mf.compare("wi", schemes=("fa",), schedule=lambda t: 1.0 / (1.0 + t), jobs=2, replicates=2, **TINY)


# the public names


def test_dir_lists_the_public_names_and_nothing_else() -> None:
    names = dir(mf)
    assert names == sorted(mf.__all__)
    assert not {"Any", "annotations", "importlib", "keep_former_paths"} & set(names)
    assert {"UserUnit", "MLPUnit", "Ensemble", "measure", "evaluate", "distance_wi", "Scheme", "Activation"} <= set(
        names
    )
    assert all(getattr(mf, name) is not None for name in names)


# the command line


def test_own_files_and_schedules_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    np.save("start.npy", START)
    np.save("particles.npy", START[:3])
    rest = ["--horizon", "0.5", "--alpha", "5", "--batch-size", "4", "--dtype", "float64", "-q"]
    own = ["--init", "start.npy", "--teacher", "particles.npy", "--schedule", "1/(1+t)"]

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, arguments, standalone_mode=False)

    assert run("simulate", *own, "--snapshots", "2", *rest, "-o", "run.nc").exception is None
    written = mf.open_result("run.nc")
    parameters = {key: value for key, value in TINY.items() if key != "n"}
    called = mf.simulate("particles.npy", init="start.npy", schedule="1/(1+t)", snapshots=2, **parameters)
    assert written["particles"].equals(called["particles"])
    assert config(written) == config(called)
    assert run("compare", *own, "--schemes", "fa", *rest, "-o", "table.nc").exception is None
    assert config(mf.open_result("table.nc"))["schedule"] == "1/(1+t)"
    refused = run("simulate", "--init", "start.npy", "-n", "5", *rest, "-o", "run.nc").output
    assert "n must be the number of particles of start.npy, 8, got 5" in refused
    assert "teacher is stated by the problem" in run("compare", "--problem", "x.toml", *own, *rest).output
    assert "FILE" in run("simulate", "--help").output
