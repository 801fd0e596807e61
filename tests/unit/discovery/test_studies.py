"""Studies of discoveries: their files, their Datasets, what is kept, what they print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfsym.configurations.discoveries import Case, preferred, read_study
from mfsym.discovery.frequencies import identity_of, run_study, study_records, study_table
from mfsym.errors import MfsymError
from mfsym.stores.datasets import save
from tests.conftest import parse_json
from tests.meta.sources import ROOT
from tests.sizes import compiled

TINY = "n = 8\nhorizon = 0.5\nalpha = 5.0\nreplicates = 4\n"
TEXT = f"""
seeds = 2
[[case]]
name = "a"
rule = "paper"
{TINY}
[[case]]
name = "b"
{TINY}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A study of two cases and two seeds."""
    path = tmp_path / "study.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = 2\ncase = []", "one \\[\\[case\\]\\]"),
        ('[[case]]\nname = "a"\n[[case]]\nname = "a"', "a name of its own"),
        ('[[case]]\nname = "a"\nrule = "guess"', "guess"),
        ('[[case]]\nname = "a"\nalpah = 1.0', "alpah"),
        ('[[case]]\nname = "a"\nalpha = -1.0', "alpha"),
        ("seeds = [", "TOML"),
    ],
)
def test_a_study_file_that_is_not_one_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(MfsymError, match=words):
        read_study(tmp_path / "a.toml")


def test_what_a_case_does_not_say_comes_from_its_problem() -> None:
    problem = str(ROOT / "sims" / "problems" / "c4-turns.toml")
    assert preferred(problem)["alpha"] == Case("a", problem=problem).search()["alpha"]
    assert Case("a", problem=problem, alpha=7.0).search()["alpha"] == 7.0
    assert preferred("") == {}


@pytest.mark.parametrize("name", ["discover", "discover-limits"])
def test_the_studies_that_come_with_mfsym_can_be_read(name: str) -> None:
    study = read_study(ROOT / "sims" / f"{name}.toml")
    assert study.seeds >= 20
    assert all(not case.problem or Path(case.problem).is_file() for case in study.case)
    assert len({identity_of(case, study.seeds) for case in study.case}) == len(study.case)


@compiled
def test_a_study_is_kept_case_by_case_and_tabulated(study_file: Path, tmp_path: Path) -> None:
    study, kept = read_study(study_file), tmp_path / "kept"
    dataset = run_study(study, kept)
    assert dataset.left.dims == ("case", "replicate", "step")
    assert len(list(kept.iterdir())) == 2
    records = study_records(dataset)
    assert [record["rule"] for record in records] == ["paper", "robust"]
    assert all(record["runs"] == 2 and record["rate"] == record["found"] / 2 for record in records)
    assert all(record["found"] + record["wrong"] + record["undecided"] == record["runs"] for record in records)
    assert all(bool(record["reasons"]) == (record["undecided"] > 0) for record in records)
    assert len(study_table(dataset).splitlines()) == 3
    for path in kept.iterdir():
        part = path.stat().st_mtime_ns
        assert run_study(study, kept).equals(dataset)
        assert path.stat().st_mtime_ns == part
    save(dataset, tmp_path / "study.nc")


@compiled
def test_the_command_runs_a_study_and_refuses_options_beside_it(mfsym, study_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "study.nc"
    records = parse_json(mfsym("discover", study_file, "-o", out, "--format", "json"))
    assert [len(record["angles"]) for record in records] == [2, 2]
    assert out.exists()
    assert "found" in mfsym("discover", study_file, "-o", out).stdout
    refused = mfsym("discover", study_file, "--alpha", 3)
    assert refused.exit_code == 2
    assert "--alpha is stated by" in refused.stderr


@compiled
def test_the_command_takes_a_problem_with_its_own_values(mfsym) -> None:
    problem = ROOT / "sims" / "problems" / "c4-turns.toml"
    tiny = ("-n", 8, "--horizon", 0.5, "--replicates", 4)
    record = parse_json(mfsym("discover", "--problem", problem, *tiny, "--format", "json"))
    assert set(record) == {"dimension", "angle", "verdict", "reason", "steps"}
    assert np.isfinite(record["angle"])
