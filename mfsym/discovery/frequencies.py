"""Success rates of discovery over many seeds: the results of ``mfsym discover SIM``.

Maass Martínez & Fontbona 2024, section 4.2, states the heuristic, which a single seed cannot assess.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mfsym.configurations.discoveries import Case, DiscoveryStudy
from mfsym.data.teachers import reference_teacher
from mfsym.discovery.rules import FREE_NOISE
from mfsym.discovery.searches import Search
from mfsym.discovery.traces import FOUND, symmetric_as_stated, trace
from mfsym.errors import MfsymError
from mfsym.problems import Problem, load_problem
from mfsym.runtime.origins import NOT_RECORDED, file_text, problem_text
from mfsym.runtime.parallel import run_tasks
from mfsym.runtime.provenance import attributes
from mfsym.runtime.scripts import checked_jobs
from mfsym.stores.datasets import open_result, save
from mfsym.stores.publishing import make_folder, require_writable
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

Arrays = dict[str, NDArray[Any]]

NUMBERS = ("rmd2_before", "rmd2", "statistic", "threshold", "resolution", "control")

REFERENCE = "wi"
"""The teacher of the reference problem, which is the problem of a case that names none."""

PADDING: dict[str, float | str] = {
    **dict.fromkeys((*NUMBERS, "angle", "mean_share"), float("nan")),
    **{"dimension": -1, "left": 0, "verdict": "", "reason": ""},
}
"""Variables stored for every step of a discovery, and their padding values for steps not taken."""

ANSWERS = ("answer_dimension", "answer_angle", "answer_verdict", "answer_reason", "found", "wrong", "undecided")
"""Variables stored for the answer of a discovery."""


def problem_of_case(case: Case) -> Problem:
    """The problem that a case names, the reference problem with its WI teacher if none."""
    problem = load_problem(case.problem) if case.problem else Problem.of(reference_teacher(REFERENCE))
    if not symmetric_as_stated(problem.data):
        raise MfsymError(
            f"a study needs data with known symmetry, and the samples of {problem.name} need not be symmetric; "
            "set dataset.symmetrised = true, or discover it without a study"
        )
    return problem.quadratic("discover")


def run_seed(offset: int, case: Case) -> Arrays:
    """One discovery of a case, with its seed plus ``offset``: PADDING variables (step,), ANSWERS, dimension_fixed."""
    problem = problem_of_case(case)
    search = Search(**{**case.search(), "seed": case.seed + offset})
    found = trace(problem.unit, problem.data, case.rule, search)
    angle, settled = float(found.attrs["angle"]), bool(found.attrs["settled"])
    return {name: found[name].values for name in PADDING} | {
        "answer_dimension": np.array(found.attrs["dimension"]),
        "answer_angle": np.array(angle),
        "answer_verdict": np.array(found.attrs["verdict"]),
        "answer_reason": np.array(found.attrs["reason"]),
        "found": np.array(int(settled and angle < FOUND)),
        "wrong": np.array(int(settled and not angle < FOUND)),
        "undecided": np.array(int(not settled)),
        "dimension_fixed": np.array(problem.unit.fixed_subspace.dimension),
    }


def run_case(case: Case, seeds: int, *, jobs: int = 1, verbosity: int = -1) -> xr.Dataset:
    """A case with all its seeds: a Dataset over (replicate, step). The first discovery that fails stops the others."""
    import xarray as xr

    rows = run_tasks(
        partial(run_seed, case=case),
        range(seeds),
        jobs,
        title=f"discover {case.name}",
        label=lambda offset: f"seed {case.seed + offset}",
        verbosity=verbosity,
        unit="seed",
    )
    longest = max(len(row["left"]) for row in rows)
    variables: dict[str, Any] = {
        name: (("replicate", "step"), np.stack([_padded(row[name], longest, value) for row in rows]))
        for name, value in PADDING.items()
    }
    variables |= {name: ("replicate", np.stack([row[name] for row in rows])) for name in ANSWERS}
    variables["dimension_fixed"] = ((), rows[0]["dimension_fixed"])
    coords = {"replicate": np.arange(seeds), "step": np.arange(longest)}
    config = {**case.to_dict(), "seeds": seeds}
    attrs = attributes("mfsym discover", config, case.seed, noise=FREE_NOISE)
    stated = case.problem
    attrs["problem_text"] = file_text(Path(stated)) if stated else problem_text({"teacher": REFERENCE})
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


def _padded(values: NDArray[Any], length: int, padding: float | str) -> NDArray[Any]:
    full = np.full(length, padding, dtype=object if values.dtype.kind in "UO" else values.dtype)
    full[: len(values)] = values
    return full


def identity_of(case: Case, seeds: int) -> str:
    """Digest (32 hexadecimal digits) of everything that determines the result of a case."""
    content = {"rule": case.rule, "seeds": seeds, "problem": problem_of_case(case).digest, **case.search()}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def run_study(study: DiscoveryStudy, kept: Path | None = None, *, jobs: int = 1, verbosity: int = -1) -> xr.Dataset:
    """All cases of a study: a Dataset over (case, replicate, step).

    kept : a folder to which each finished case is written, and from which existing cases are read.
    """
    import xarray as xr

    jobs = checked_jobs(jobs)
    if kept is not None:
        make_folder(kept)
        require_writable(kept / "case.nc")
    parts = []
    for case in study.case:
        path = None if kept is None else kept / f"{identity_of(case, study.seeds)}.nc"
        if path is not None and path.exists():
            parts.append(open_result(path))
            continue
        parts.append(run_case(case, study.seeds, jobs=jobs, verbosity=verbosity))
        if path is not None:
            save(parts[-1], path)
    longest = max(part.sizes["step"] for part in parts)
    variables: dict[str, Any] = {}
    for name, value in PADDING.items():
        tables = [np.stack([_padded(row, longest, value) for row in part[name].values]) for part in parts]
        variables[name] = (("case", "replicate", "step"), np.stack(tables))
    variables |= {name: (("case", "replicate"), np.stack([part[name].values for part in parts])) for name in ANSWERS}
    variables["dimension_fixed"] = ("case", np.array([int(part["dimension_fixed"]) for part in parts]))
    variables["rule"] = ("case", np.array([case.rule for case in study.case]))
    coords = {
        "case": [case.name for case in study.case],
        "replicate": np.arange(study.seeds),
        "step": np.arange(longest),
    }
    config = {"cases": [json.loads(part.attrs["config"]) for part in parts], "seeds": study.seeds}
    seeds = [case.seed for case in study.case]
    attrs = attributes("mfsym discover", config, seeds[0], noise=FREE_NOISE)
    attrs["problem_text"] = "\n\n".join(dict.fromkeys(part.attrs.get("problem_text", NOT_RECORDED) for part in parts))
    if len(set(seeds)) > 1:
        attrs["seed"] = json.dumps(seeds)
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


def study_records(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """One record per case: rule, dimension_fixed, runs, found, wrong, undecided, rate, angles, dimensions, reasons.

    The reasons are the distinct ones of the undecided runs. mean_share is the median over runs of the smallest mean
    share over steps with verdict "left", None if there is no such step.
    """
    records = []
    for name in dataset["case"].values:
        case = dataset.sel(case=name)
        shares = np.where(case["left"].values > 0, case["mean_share"].values, np.inf).min(axis=1)
        share = float(np.median(shares))
        records.append(
            {
                "case": str(name),
                "rule": str(case["rule"].values),
                "dimension_fixed": int(case["dimension_fixed"]),
                "runs": int(case.sizes["replicate"]),
                "found": int(case["found"].sum()),
                "wrong": int(case["wrong"].sum()),
                "undecided": int(case["undecided"].sum()),
                "rate": float(case["found"].mean()),
                "reasons": sorted(set(case["answer_reason"].values[case["undecided"].values > 0].astype(str))),
                "mean_share": share if np.isfinite(share) else None,
                "dimensions": [int(each) for each in case["answer_dimension"].values],
                "angles": [float(each) for each in case["answer_angle"].values],
            }
        )
    return records


def study_table(dataset: xr.Dataset) -> str:
    """The records as rows: counts of found, wrong and undecided runs, angles, and the smallest mean share."""
    records = study_records(dataset)
    width = max(len(record["case"]) for record in records)
    counted = f"{'found':>7s} {'wrong':>6s} {'undecided':>9s}"
    head = f"{'case':{width}s} {'rule':12s} {'dim':>3s} {counted} {'median angle':>12s} {'largest':>8s}"
    lines = [f"{head} {'|mean|/rms':>10s}"]
    for record in records:
        share = "-" if record["mean_share"] is None else f"{record['mean_share']:.3f}"
        angles = f"{np.median(record['angles']):12.1e} {max(record['angles']):8.1e}"
        counts = f"{record['found']}/{record['runs']}"
        counts = f"{counts:>7s} {record['wrong']:6d} {record['undecided']:9d}"
        start = f"{record['case']:{width}s} {record['rule']:12s} {record['dimension_fixed']:3d} {counts}"
        lines.append(f"{start} {angles} {share:>10s}")
    return "\n".join(lines)
