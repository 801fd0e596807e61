"""The benchmarks time the same training: contenders agree on a step, and the report says what was measured."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks import engine, engines, report, start
from benchmarks.__main__ import _names
from benchmarks.cases import SCHEMES, Case, disagreement, expected, lift, one_step
from benchmarks.contenders import CONTENDERS, Team, available, build
from benchmarks.contract import Contender, enough, seconds_per_step
from benchmarks.engine import AGREEMENT
from benchmarks.footprint import memory
from mfsym.data.teachers import reference_teacher
from mfsym.schemes import get_scheme
from mfsym.streams import normals, stream_key
from tests.sizes import compiled
from tests.tolerances import ROUNDOFF

needs_compiler = pytest.mark.skipif("c" not in available(["c"]), reason="the roofline is compiled with gcc")
IN_PROCESS = ["mfsym", "numpy", pytest.param("c", marks=needs_compiler)]


class Clockwork(Contender):
    """A contender whose every step is noted."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def one_step(self, case, given):
        return expected(case, given)

    def prepare(self, case):
        return "clockwork"

    def run(self, steps):
        self.runs.append(steps)
        return steps


class Crew:
    """What ``engine.measure`` asks of a team, without a process; one step takes ``cost`` seconds per particle."""

    def __init__(self, name: str, cost: float, log: list[str]) -> None:
        self.name, self.entry, self.cost, self.log = name, CONTENDERS[name], cost, log
        self.contender = Clockwork()

    def prepare(self, case):
        self.n = case.n
        return self.contender.prepare(case)

    def one_step(self, case, given):
        return self.contender.one_step(case, given)

    def run(self, steps):
        return steps, steps * self.cost * self.n

    def seconds_per_step(self, steps):
        self.log.append(self.name)
        return self.cost * self.n


def results(costs: dict[str, float]) -> dict:
    """Results of a made-up run in which a step costs the given seconds per particle."""
    settings = engine.Settings(sizes=(100, 5000), schemes=("vanilla", "fa"), rounds=3)
    rows = []
    for n, scheme in product(settings.sizes, settings.schemes):
        rows += engine.measure([Crew(name, cost, []) for name, cost in costs.items()], Case(n, scheme), settings)
    memories = [{"n": n, "beyond": 40.0, "resident_growth": 45.0} for n in (50_000, 500_000)]
    return {
        "machine": {"processor": "clockwork", "cores": 2},
        "versions": {"numpy": "2"},
        "settings": {"rounds": 3},
        "agreement": {"numpy": 1.0},
        "rows": rows,
        "slope": [{"n": n, "seconds": [2e-8 * n] * 3} for n in (1000, 10_000, 500_000)],
        "footprint": {"warm": {"first_call": 0.4, "process": 0.9}, "cold": {"first_call": 20.0}, "memory": memories},
    }


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", IN_PROCESS)
def test_contenders_agree_on_a_noiseless_step(name, scheme):
    for n in (5, 20):
        case = Case(n, scheme)
        given = one_step(case)
        assert disagreement(case, build(name).one_step(case, given), expected(case, given)) <= AGREEMENT


def test_a_wrong_step_is_seen():
    case = Case(20, "fa")
    given = one_step(case)
    vanilla = expected(Case(20, "vanilla"), given)
    assert disagreement(case, vanilla, expected(case, given)) > AGREEMENT


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_peers_lift_is_that_of_the_schemes(scheme):
    unit = reference_teacher("wi").unit
    given = one_step(Case(5, scheme))
    ours = get_scheme(scheme, unit).lift(given.x[None], given.y[None], stream_key(0, "haar"), 0)
    x, y = lift(scheme, given.x, given.y, given.swaps)
    ours_x = ours.x.swapaxes(1, 2) if scheme == "fa" else ours.x
    pairs = {tuple(row) for row in np.round(ours_x.reshape(-1, 2), 9)}
    assert pairs == {tuple(row) for row in np.round(x, 9)}
    assert ours.y.shape[1:] == y.shape


@needs_compiler
def test_the_roofline_draws_the_noise_of_the_streams():
    from benchmarks.roofline import draws

    key = stream_key(3, "noise")
    assert np.abs(draws(key, 7, 200, 4) - normals(key, 7, 200, 4)).max() <= 8 * np.finfo(np.float32).eps


@pytest.mark.parametrize("name", IN_PROCESS)
def test_contenders_run_the_steps_they_say(name):
    contender = build(name)
    assert contender.prepare(Case(5, "ea"))
    assert contender.run(3) >= 3


def test_a_run_takes_turns_and_gives_every_contender_the_same_rounds():
    log: list[str] = []
    rows = engine.measure([Crew("mfsym", 1e-6, log), Crew("numpy", 1e-5, log)], Case(10), engine.Settings(rounds=4))
    assert log == ["mfsym", "numpy"] * 4
    assert [len(row["seconds"]) for row in rows] == [4, 4]


def test_threads_are_not_timed_on_a_single_block():
    assert not engine.fits("mfsym-threads", Case(1000))
    assert engine.fits("mfsym-threads", Case(5000))
    assert engine.fits("jax", Case(5))


def test_a_contender_that_disagrees_stops_the_benchmark():
    crew = Crew("numpy", 1.0, [])
    crew.contender.one_step = lambda case, given: expected(case, given) + 1.0
    with pytest.raises(RuntimeError, match="must agree"):
        engine.check([crew], ["vanilla"])


def test_the_choice_between_forms_runs_each_several_times():
    contender = Clockwork()
    assert seconds_per_step(contender, least=1e-9) >= 0.0
    assert contender.runs[0] == 1
    assert len(contender.runs) >= 4


def test_a_run_is_long_enough_for_its_start_to_be_small():
    steps = enough(lambda steps: (steps, 0.01 + 1e-4 * steps), 0.12)
    assert 0.1 <= 0.01 + 1e-4 * steps <= 0.14


def test_bounds_say_kept_broken_or_not_measured():
    fast, slow = results({"mfsym": 1e-8, "c": 9e-9, "jax": 2e-7}), results({"mfsym": 1e-7, "c": 9e-9, "jax": 2e-7})
    verdicts = [{each.text: each.verdict for each in report.bounds(each)} for each in (fast, slow)]
    single = "vanilla, N = 5000, one run: times faster than the fastest form of JAX found"
    roofline = "vanilla, N = 5000, one core: times the C roofline"
    assert [each[single] for each in verdicts] == ["yes", "**no**"]
    assert [each[roofline] for each in verdicts] == ["yes", "**no**"]
    assert "not measured" in verdicts[0].values()


def test_the_fitted_slope_of_a_power_law_is_its_exponent():
    rows = [{"n": n, "seconds": [3e-9 * n**1.25]} for n in (10, 100, 1000)]
    assert abs(report.fitted_slope(rows) - 1.25) <= ROUNDOFF
    assert report.fitted_slope(rows[:1]) is None


def test_the_report_holds_every_case_and_the_picture_is_small(tmp_path):
    made = results({"mfsym": 1e-8, "c": 9e-9, "jax": 2e-7})
    text = report.markdown(made)
    assert text.count("| vanilla | 5,000 |") == 2
    assert "(20×)" in text
    report.picture(made, tmp_path / "engine.png")
    assert 0 < (tmp_path / "engine.png").stat().st_size < 200_000


@compiled
def test_memory_is_counted_per_particle():
    assert 0 < memory(6000)["beyond"] < 1000


def test_lists_on_the_command_line_are_split_at_commas():
    assert _names("5,100,") == ("5", "100")


def test_programs_of_the_start_run_on_the_tree_and_cache_they_are_given(tmp_path):
    shown = "import os, mfsym; print(mfsym.__file__, os.environ['MFSYM_CACHE_DIR'])"
    done = start.run(shown, start.HERE, tmp_path)
    assert done.printed.split() == [str(start.HERE / "mfsym" / "__init__.py"), str(tmp_path)]
    assert done.seconds > 0.0
    with pytest.raises(RuntimeError, match="ValueError: no"):
        start.run("raise ValueError('no')", start.HERE, tmp_path)
    for program in (*start.COLD.values(), *start.LOADED.values(), start.STEPS.format(cases="[]", repeats=1)):
        compile(program, "program", "exec")


def test_the_table_of_the_start_compares_pairs():
    page = start.table([start.HERE] * 2, {"first": [9.0, 3.0]}, {}, {"matrix": [[1.0, 2.0, 3.0], [1.1, 2.0, 3.3]]})
    assert "| first | 9.00 | 3.00 |" in page
    assert "| matrix | 2.000 | 2.000 | 1.100 |" in page


def test_a_team_shares_the_replicates_and_keeps_the_rest_of_a_case(monkeypatch):
    asked = []
    team = Team.__new__(Team)
    team.entry, team.members = CONTENDERS["mfsym-replicates"], [None, None]
    monkeypatch.setattr(team, "_ask", lambda verb, case: asked.append((verb, case)) or [""])
    team.prepare(Case(7, "fa", "float64", noisy=False))
    assert asked == [("prepare", Case(7, "fa", "float64", replicates=5, noisy=False))]


def test_replicates_have_a_table_of_their_own():
    rows = [
        {"n": n, "scheme": "vanilla", "dtype": "float32", "contender": name, "seconds": [n * seconds]}
        for n in (100, 1000)
        for name, seconds in (("mfsym-jax-turns", 4e-8), ("mfsym-jax-replicates", 2e-8), ("mfsym", 1e-9))
    ]
    table = engines._costs({"rows": rows}, (100, 1000), engines.REPLICATES)
    labels = [CONTENDERS[name].label for name in ("mfsym-jax-replicates", "mfsym-jax-turns")]
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == ["N", *labels]
    assert [cell.strip() for cell in table[2].strip("|").split("|")] == ["100", "1", "2"]
