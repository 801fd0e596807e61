"""The study of latents: resumed training by training, the same for every number of workers, checked, refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mfsym.configurations.latent_studies import LatentRangeTable, LearnerTable, checked_study, read_latent_study
from mfsym.configurations.shipped import sim_file
from mfsym.errors import MfsymError
from mfsym.experiments import latent_studies
from mfsym.experiments.latent_studies import (
    LatentCell,
    identity_of,
    latent_records,
    latent_rows,
    outside_latents,
    run_latent_cell,
    study_latents,
)
from mfsym.stores.datasets import content_digest
from tests.conftest import parse_json
from tests.latent_study_entries import STUDY, latent_study_results
from tests.sizes import compiled

pytestmark = compiled
pytest.importorskip("sklearn", reason="the digits come with scikit-learn, in the extra digits")
needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed: pip install 'mfsym[jax]'")

SMALL = """seeds = 1
angles = 8
steps = 3
batch_size = 4
[[learner]]
name = "one"
representation = "charge(1) + trivial(2)"
trainer = "ensembles"
particles = 4
data = ["rotated"]
[[range]]
learner = "copy"
data = "rotated"
between = [%s]
"""


def test_a_study_resumes_training_by_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one result taken away one training is made again, and all numbers are those of an undivided study."""
    whole = latent_study_results()["latent_study"]
    first = study_latents(STUDY, tmp_path)
    assert content_digest(first) == content_digest(whole)
    files = sorted(tmp_path.glob("*.nc"))
    assert len(files) == 3
    files[1].unlink()
    made = []
    real = run_latent_cell
    monkeypatch.setattr(latent_studies, "run_latent_cell", lambda *given: (made.append(given[0]), real(*given))[1])
    again = study_latents(STUDY, tmp_path)
    assert len(made) == 1
    assert content_digest(again) == content_digest(whole)


def test_the_identity_of_a_training_is_what_determines_it() -> None:
    cell = LatentCell("rotated", "two", 2)
    own = identity_of(cell, STUDY)
    assert identity_of(cell, msgspec.structs.replace(STUDY, range=[], description="another")) == own
    others = [
        identity_of(LatentCell("blocked", "two", 2), STUDY),
        identity_of(LatentCell("rotated", "one", 2), STUDY),
        identity_of(LatentCell("rotated", "two", 3), STUDY),
        identity_of(cell, msgspec.structs.replace(STUDY, steps=25)),
        identity_of(cell, msgspec.structs.replace(STUDY, batch_size=9)),
    ]
    assert len({own, *others}) == 6


def test_ranges_hold_for_every_seed() -> None:
    data = latent_study_results()["latent_study"]
    assert outside_latents(data, STUDY) == []
    psnr = float(data["psnr"].sel(learner="two", data="blocked").item())
    narrow = [LatentRangeTable(learner="two", data="blocked", between=[psnr + 0.01, 40.0])]
    (line,) = outside_latents(data, msgspec.structs.replace(STUDY, range=narrow))
    assert line.startswith("two, blocked, seed 2: psnr")
    averaged = [msgspec.structs.replace(narrow[0], of="mean")]
    (line,) = outside_latents(data, msgspec.structs.replace(STUDY, range=averaged))
    assert line.startswith("two, blocked, mean over 1 seed(s): psnr")
    records = {(each["data"], each["learner"]): each for each in latent_records(data)}
    assert set(records) == {
        *((name, learner) for name in ("rotated", "blocked") for learner in ("copy", "whole image", "two")),
        ("blocked", "one"),
    }
    assert records["blocked", "two"]["psnr"] == [psnr]
    assert "psnr_swap" not in records["rotated", "two"]
    rows = latent_rows(data)
    assert len(rows) == 8
    assert len({len(row) for row in rows}) == 1


@needs_jax
def test_an_additive_learner_moves_as_many_latents_and_has_no_linear_twin() -> None:
    learner = LearnerTable(name="sum", representation="2 * charge(1) + trivial(2)", trainer="additive")
    study = msgspec.structs.replace(STUDY, learner=[learner], range=[])
    found = run_latent_cell(LatentCell("blocked", "sum", 2), study)
    assert np.isfinite(found["psnr_swap"])
    assert "psnr_linear" not in found
    plain = msgspec.structs.replace(learner, trainer="network")
    other = run_latent_cell(LatentCell("blocked", "sum", 2), msgspec.structs.replace(study, learner=[plain]))
    assert float(other["psnr"]) != float(found["psnr"])
    assert np.isfinite(other["psnr_linear"])
    # An angle added to four of six latents moves each point by 2 g, a representation never by more than 2 |z|.
    assert float(found["latent_error"]) > 2.0 * float(other["latent_error"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learner": [*STUDY.learner, STUDY.learner[0]]}, "a name of its own"),
        ({"learner": [LearnerTable(name="copy", representation="charge(1)")]}, "a name of its own"),
        ({"block": 0}, "need a square"),
        (
            {"range": [LatentRangeTable(learner="one", data="rotated", between=[0.0, 1.0])]},
            r"correct the \[\[range\]\]",
        ),
        (
            {"range": [LatentRangeTable(learner="copy", data="rotated", measure="ssim", between=[0.0, 1.0])]},
            r"correct the \[\[range\]\]",
        ),
        (
            {"range": [LatentRangeTable(learner="two", data="rotated", measure="psnr_swap", between=[0.0, 1.0])]},
            r"correct the \[\[range\]\]",
        ),
    ],
)
def test_a_study_that_contradicts_itself_is_refused(change, words) -> None:
    with pytest.raises(MfsymError, match=words):
        checked_study(msgspec.structs.replace(STUDY, **change))


@pytest.mark.parametrize("text", ["seeds = 0", "colour = 1", "learner = []", "seeds = [", '[[learner]]\nname = "a"'])
def test_a_file_that_is_no_study_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(MfsymError, match=r"a\.toml"):
        read_latent_study(tmp_path / "a.toml")


def test_the_command_prints_keeps_and_checks(mfsym, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.toml").write_text(SMALL % "11.0, 14.0")
    Path("bad.toml").write_text(SMALL % "20.0, 30.0")
    good = mfsym("latents", "good.toml", "--check", "-q", "-o", "study.nc")
    assert good.exit_code == 0, good.stderr
    assert "rotated, whole image" in good.stdout
    assert Path("study.nc").exists()
    assert len(list(Path("study.cells").glob("*.nc"))) == 1
    bad = mfsym("latents", "bad.toml", "--check", "-q", "-o", "study.nc")
    assert (bad.exit_code, bad.stderr.count("\n")) == (1, 1)
    assert "copy, rotated, seed 0: psnr" in bad.stderr
    record = parse_json(mfsym("latents", "bad.toml", "-q", "--seed", "1", "--format", "json"))
    assert record["outside"][0].startswith("copy, rotated, seed 1: psnr")
    assert {each["learner"] for each in record["latents"]} == {"copy", "whole image", "one"}
    refused = mfsym("latents", "absent.toml", "-o", "b.nc")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert not Path("b.nc").exists()


@needs_jax
@pytest.mark.slow
def test_several_charges_beat_one_and_make_the_encoder_equivariant(tmp_path: Path) -> None:
    """A quarter of the steps, one seed: already more than a decibel apart, and a latent error several times smaller."""
    study = read_latent_study(sim_file("latents-laptop"))
    learners = [each for each in study.learner if each.name != "additive"]
    found = study_latents(msgspec.structs.replace(study, learner=learners, seeds=1, steps=1000), tmp_path)
    psnr, error = (found[name].sel(replicate=0) for name in ("psnr", "latent_error"))
    one, many = ({"learner": name} for name in ("charge 1", "charges 1-4"))
    assert (psnr.sel(many) > psnr.sel(one) + 0.5).all()
    assert (error.sel(many) < 0.5 * error.sel(one)).all()
    swap = found["psnr_swap"].sel(data="blocked", replicate=0)
    trivial = max(float(found[name].sel(data="blocked")[0]) for name in ("psnr_swap_varying", "psnr_swap_invariant"))
    assert float(swap.sel(many)) > trivial + 2.0
