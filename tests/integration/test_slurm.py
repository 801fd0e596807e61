"""sims/slurm: the scripts run under a stub of sbatch that starts each job at once, in the order of submission."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mfsym.stores import content_digest, open_result
from tests.conftest import SMALL_SWEEP
from tests.meta.sources import ROOT

SUBMIT = ROOT / "sims/slurm/submit.sh"

STUB = """#!{python}
import json, os, pathlib, subprocess, sys
options, rest = [], sys.argv[1:]
while rest and rest[0].startswith("-"):
    option = rest.pop(0)
    options.append([option, rest.pop(0)] if option == "--wrap" else option.split("=", 1))
options = dict(part if len(part) == 2 else (part[0], "") for part in options)
log = pathlib.Path(os.environ["STUB_LOG"])
jobs = json.loads(log.read_text()) if log.exists() else []
first, last = map(int, options.get("--array", "1-1").split("-"))
environment = dict(os.environ, SLURM_CPUS_PER_TASK="1", SLURM_ARRAY_TASK_MAX=str(last))
environment |= dict(part.split("=") for part in options.get("--export", "").split(",") if "=" in part)
codes = []
for task in range(first, last + 1):
    command = ["bash", "-c", options["--wrap"]] if "--wrap" in options else ["bash", *rest]
    environment["SLURM_ARRAY_TASK_ID"] = str(task)
    codes.append(subprocess.run(command, env=environment, stdout=sys.stderr).returncode)
jobs.append({{"options": options, "codes": codes}})
log.write_text(json.dumps(jobs))
print(len(jobs))
"""


@pytest.fixture
def submit(tmp_path, monkeypatch):
    """Run submit.sh in a folder of its own, with a stub of sbatch; its output and what was submitted."""
    (tmp_path / "bin").mkdir()
    for name, text in {
        "sbatch": STUB.format(python=sys.executable),
        "mfsym": f'#!/bin/sh\nexec {sys.executable} -m mfsym "$@"\n',
    }.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    log = tmp_path / "jobs.json"
    environment = dict(os.environ, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}", STUB_LOG=str(log))
    environment["PYTHONPATH"] = str(ROOT)

    def run(*arguments):
        command = ["bash", str(SUBMIT), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done, json.loads(log.read_text()) if log.exists() else []

    return run


def test_shards_and_their_collection_are_the_sweep_in_one_process(tmp_path, submit):
    (tmp_path / "sim.toml").write_text(SMALL_SWEEP)
    done, jobs = submit("sim.toml", "deep/results/out.nc", "3")
    assert done.returncode == 0, done.stderr
    assert [job["codes"] for job in jobs] == [[0, 0, 0], [0]]
    assert jobs[1]["options"]["--dependency"] == "afterany:1"
    assert (tmp_path / "deep/results/logs").is_dir()
    command = [sys.executable, "-m", "mfsym", "sweep", "sim.toml", "-o", "one.nc", "-q"]
    subprocess.run(command, cwd=tmp_path, env=dict(os.environ, PYTHONPATH=str(ROOT)), check=True)
    one, many = (open_result(tmp_path / name) for name in ("one.nc", "deep/results/out.nc"))
    assert content_digest(one) == content_digest(many)


def test_what_diverges_is_collected_all_the_same(tmp_path, submit):
    text = SMALL_SWEEP.replace("alpha = 5.0", "alpha = [5.0, 1e300]")
    (tmp_path / "sim.toml").write_text(text)
    done, jobs = submit("sim.toml", "out.nc", "2")
    assert done.returncode == 0, done.stderr
    assert 1 in jobs[0]["codes"]
    statuses = set(open_result(tmp_path / "out.nc")["status"].values.astype(str).ravel())
    assert statuses == {"ok", "diverged"}


def test_a_sweep_that_cannot_run_submits_nothing(tmp_path, submit):
    done, jobs = submit("none.toml", "out.nc")
    assert done.returncode == 2
    assert jobs == []
    assert not list(Path(tmp_path).glob("*.nc"))
