"""Commands on problems: check, counterexample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mfsym.cli.files import PROBLEM
from mfsym.cli.flowing import sizes_of
from mfsym.cli.options import (
    COUNT,
    SEED,
    format_option,
    output_file,
    parameter_option,
    problem_option,
    verbosity,
    verbosity_options,
)
from mfsym.configurations.shipped import problems
from mfsym.errors import NotSymmetric

COUNTEREXAMPLE = "c4-counterexample"
"""The default problem of the command counterexample."""


@click.command()
@click.argument("problem", type=PROBLEM)
@click.option("-n", "n", type=COUNT, default=100, show_default=True, help="Number of particles for the cost estimate.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the samples of the symmetry test.")
@click.option("--basis", is_flag=True, help="Also print the basis of E^G.")
@click.option("--strict", is_flag=True, help="Exit with code 1 if the data are not symmetric under the group.")
@format_option("text", "json")
def check(problem: Path, n: int, seed: int, basis: bool, strict: bool, form: str) -> None:
    """Check a problem: its group and actions, its unit, E^G, whether its data are symmetric, what it will cost.

    PROBLEM is a file or a name of `mfsym list problems`. Formulas and teachers are compared with their images at
    random inputs; data sets by a test that states what it would have found.

    \b
    Example:
      mfsym check d4-plane --format json
    """
    from mfsym.problems import load_problem
    from mfsym.problems.checking import check as examine

    record = examine(load_problem(problem), n=n, seed=seed, basis=basis)
    click.echo(json.dumps(record) if form == "json" else "\n".join(_lines(record)))
    if strict and record["symmetric"] is False:
        raise NotSymmetric(f"{problem}: the data must be symmetric under {record['group']}; {_symmetry(record)}")


def _lines(record: dict[str, Any]) -> list[str]:
    """The record as human-readable lines."""
    from mfsym.configurations.preflight import human_bytes, human_seconds

    size = f"order {record['order']}" if record["order"] else f"dimension {record['dimension']}"
    spread = record["mean_y_squared_error"]
    rows = [
        ("problem", record["name"]),
        ("group", f"{record['group']}, {size}"),
        ("actions", f"x: {record['rho_x']} on R^{record['dim_x']}, y: {record['rho_y']} on R^{record['dim_y']}"),
        ("unit", f"{record['unit']}, {record['loss']} loss"),
        ("dim Z", f"{record['dim_z']}"),
        ("dim E^G", f"{record['dim_fixed']}"),
        ("orthogonal", f"max|M M^T - I| = {record['orthogonality_error']:.1e}"),
        ("homomorphism", f"max|rho(g) rho(h) - rho(gh)| = {record['homomorphism_error']:.1e}"),
        ("joint equiv.", f"max|sigma(rho x, M z) - rho_hat sigma(x, z)| = {record['joint_equivariance_error']:.1e}"),
        ("data", _symmetry(record)),
        ("risk", f"{record['rule']}; E|y|^2 = {record['mean_y_squared']:.6g} +- {spread:.1e}"),
        ("schemes", ", ".join(record["schemes"])),
        ("cost", f"n = {record['n']}: {human_bytes(record['memory_bytes'])}, about {human_seconds(record['seconds'])}"),
    ]
    lines = [f"{name:13s} {text}" for name, text in rows]
    return lines + [f"{'E^G':13s} {' '.join(f'{value:8.5f}' for value in row)}" for row in record.get("basis", [])]


def _symmetry(record: dict[str, Any]) -> str:
    """A sentence on the symmetry of the data."""
    parts = []
    if record["asymmetry"] is not None:
        where = f" at g = {record['asymmetry_element']}" if not record["equivariant"] else ""
        parts.append(f"max|f(rho x) - rho_hat f(x)| / |f| = {record['asymmetry']:.1e}{where}")
    if record["inputs_invariant"] is not None:
        parts.append(f"the law of x is {'' if record['inputs_invariant'] else 'NOT '}invariant under rho")
    if record["symmetry_p_value"] is not None:
        parts.append(f"energy distance {record['symmetry_statistic']:.3g}, p = {record['symmetry_p_value']:.3g}")
        parts.append(_power(record))
    words = {True: "symmetric under the group", False: "NOT symmetric under the group", None: "no asymmetry found"}
    return f"{words[record['symmetric']]}: {'; '.join(parts)}"


def _power(record: dict[str, Any]) -> str:
    samples, shift = record["symmetry_samples"], record["symmetry_detectable"]
    if shift is None:
        return f"{samples} sample(s) against as many are too few to show any asymmetry"
    return f"{samples} samples against as many show a shift of {shift:.2g} root mean squares in 80 % of cases"


@click.command()
@click.option("--sizes", default="50,200,1000", show_default=True, metavar="N,N,...", help="Numbers N of particles.")
@click.option("-o", "--out", required=True, help="The Dataset to write, .nc.")
@click.option("--replicates", type=COUNT, default=3, show_default=True, help="Replicates.")
@parameter_option("horizon", default="the problem's")
@parameter_option("alpha", default="the problem's")
@parameter_option("seed")
@parameter_option("engine")
@problem_option
@verbosity_options
def counterexample(
    sizes: str, out: str, replicates: int, quiet: bool, verbose: bool, problem: str | None, **given: Any
) -> None:
    """Train SI and WI laws where SI laws can only be constant (arXiv:2405.19995, proposition 4).

    \b
    Example:
      mfsym counterexample --sizes 50,200,2000 -o results/counterexample.nc
    """
    from mfsym.configurations.loading import single_cell

    path = output_file(out)
    numbers = sizes_of(sizes, "--sizes")
    stated = {"problem": problem or str(problems()[COUNTEREXAMPLE]), "n": max(numbers)}
    cell, _ = single_cell({**given, **stated})
    from mfsym.experiments.counterexample import si_against_wi
    from mfsym.stores.datasets import save

    dataset = si_against_wi(cell, numbers, replicates=replicates, verbosity=verbosity(quiet, verbose))
    assert path is not None
    save(dataset, path)
    if not quiet:
        click.echo(f"{path}: least risk of an SI law {dataset.attrs['si_infimum']:.7f}")
        for law in dataset["law"].values:
            risk = dataset["risk"].sel(law=law).mean("replicate").values
            click.echo(f"{law}  " + "  ".join(f"n = {n}: {value:.7f}" for n, value in zip(numbers, risk, strict=True)))
