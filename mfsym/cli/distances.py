"""The command distance: read clouds from files, print their distances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from mfsym.cli.layers import layer_records
from mfsym.cli.moduli import modulo
from mfsym.cli.options import COUNT, SEED, Name, Number, format_option, output_file, parameter_option, problem_option
from mfsym.configurations.cells import Cell
from mfsym.configurations.names import CONVENTIONS
from mfsym.errors import MfsymError
from mfsym.transport import METHODS, W2Result, rmd2_from, w2, w2_along
from mfsym.transport.exact import dense_estimate, memory_estimate

if TYPE_CHECKING:
    from mfsym.units import Unit

Record = dict[str, Any]

LARGE = 50_000
"""Clouds this large get a memory estimate before the solve."""


@click.command()
@click.argument("cloud")
@click.argument("other", required=False)
@click.option("--to", type=Name(("si", "symmetrised", "wi")), help="Distance of one cloud to these laws.")
@click.option("--along", type=Name(("time",)), help="Each time of a run against the next, or against OTHER.")
@click.option("--time", "at", type=Number(0.0), help="Time of a run file.  [default: its last]")
@click.option(
    "--method", type=Name(METHODS), help="Solver; sinkhorn approximates W2^2, sliced is sliced W2^2.  [default: auto]"
)
@click.option("--plan", metavar="FILE", help="Also write the coupling, .npz: rows, columns, mass, u, v.")
@click.option("--quotient", metavar="GROUP", help="W2 modulo so(2), so(3), se(2) or se(3): clouds of shapes as atoms.")
@click.option(
    "--null", type=COUNT, metavar="DRAWS", help="Also the null level: the distance due to sampling alone; try 200."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of --null.")
@click.option(
    "--arrays",
    multiple=True,
    metavar="W1,W2[,b1]",
    help="Layers of a trained model (.safetensors, .npz, a folder of .npy); once for each residual block.",
)
@click.option("--convention", type=Name(CONVENTIONS), help="How --arrays are laid out.  [default: torch]")
@parameter_option("unit", default="the run's, or matrix", doc="reference unit whose group acts")
@problem_option
@format_option("text", "json")
def distance(cloud: str, other: str | None, form: str, **given: Any) -> None:
    """Squared W2 and RMD between two clouds (.npy, .npz, .csv, or a run file .nc, also as run.nc@TIME).

    \b
    Examples:
      mfsym distance a.npy b.npy --plan plan.npz
      mfsym distance run.nc@0 run.nc@20 --format json
      mfsym distance run.nc --to si
      mfsym distance run.nc --to wi --null 200
      mfsym distance run.nc --along time
      mfsym distance model.safetensors --arrays fc1.weight,fc2.weight --unit uv --to wi --null 200
      mfsym distance a.nc b.nc --quotient "so(3)"
    """
    _refuse_contradictions(other, given)
    if given["arrays"]:
        records = layer_records(cloud, other, given)
        click.echo(json.dumps(records[0] if len(records) == 1 else records) if form == "json" else _listed(records))
        return
    if given["quotient"] is not None:
        record = modulo(cloud, other, given)
        click.echo(json.dumps(record) if form == "json" else _listed([record]))
        return
    if given["along"] is not None:
        records = _along(cloud, other, given["at"])
        click.echo(json.dumps(records) if form == "json" else _table(records))
        return
    if other is not None:
        record = _between(cloud, other, given)
    else:
        record = _to_laws(cloud, given)
    click.echo(json.dumps(record) if form == "json" else _listed([record]))


def _listed(records: list[Record]) -> str:
    """One line per number of each record, with the comparison to the null level."""
    lines = []
    for record in records:
        for name, value in record.items():
            if not name.startswith("null_"):
                lines.append(f"{name:13s} {value:.10g}" if isinstance(value, float) else f"{name:13s} {value}")
        if "null_reading" in record:
            lines.append(f"{'null':13s} {record['null_reading']}")
    return "\n".join(lines)


def _refuse_contradictions(other: str | None, given: dict[str, Any]) -> None:
    if given["along"] is None and (other is None) == (given["to"] is None):
        raise MfsymError("distance needs two clouds, one cloud and --to si|symmetrised|wi, or a run and --along time")
    if given["unit"] is not None and given["problem"] is not None:
        raise MfsymError("--unit is stated by the problem; leave it out")
    if given["along"] is not None:
        for name in ("to", "time", "method", "plan"):
            if given["at" if name == "time" else name] is not None:
                raise MfsymError(f"--along and --{name} exclude each other; leave one out")
    if given["convention"] is not None and not given["arrays"]:
        raise MfsymError("--convention is about --arrays; give the names of the layers, or leave it out")
    if given["arrays"]:
        for name in ("along", "at", "plan", "quotient"):
            if given[name] is not None:
                raise MfsymError(f"--arrays and --{'time' if name == 'at' else name} exclude each other; leave one out")
    if given["null"] is not None and given["to"] not in ("wi", "symmetrised"):
        raise MfsymError(
            "--null needs one cloud and --to wi or --to symmetrised; only these distances have a null level"
        )
    if given["to"] is not None and (given["plan"] is not None or given["method"] is not None):
        raise MfsymError("--plan and --method need two clouds; leave --to out")


def _between(cloud: str, other: str, given: dict[str, Any]) -> Record:
    """The distance between two clouds; writes the optimal plan if ``--plan`` is given."""
    from mfsym.stores.clouds import load_cloud

    path = output_file(given["plan"], ".npz")
    method = given["method"] or "auto"
    if path is not None and method in ("sinkhorn", "sliced"):
        raise MfsymError(f"--method {method} finds no plan; leave --plan out or choose an exact method")
    a, b = load_cloud(cloud, given["at"]), load_cloud(other, given["at"])
    tell_memory(a, b, method)
    result = w2(a, b, method=method)
    if path is not None:
        _write_plan(path, result)
    return _record(result, a, b)


def tell_memory(a: NDArray[np.float64], b: NDArray[np.float64], method: str) -> None:
    """Print the memory estimate of a large solve; raise if it exceeds the memory available."""
    from mfsym.configurations.preflight import available_memory

    n, m = a.shape[0], b.shape[0]
    dense = method in ("emd", "dense", "sinkhorn")
    needed = dense_estimate(n, m) if dense else memory_estimate(n, m, a.shape[1])
    if needed > available_memory():
        raise MfsymError(
            f"{n} against {m} atoms need about {needed / 1e9:.1f} GB, {available_memory() / 1e9:.1f} GB are free; "
            + ("use --method auto" if dense else "thin the clouds")
        )
    if max(n, m) >= LARGE:
        click.echo(f"{n} against {m} atoms: about {needed / 1e6:.0f} MB", err=True)


def _write_plan(path: Path, result: W2Result) -> None:
    from mfsym.stores import encode, publish

    assert result.plan is not None
    assert result.potentials is not None
    arrays = {"rows": result.plan.rows, "columns": result.plan.columns, "mass": result.plan.mass}
    meta = {"command": "mfsym distance", "method": result.method, "w2_squared": result.w2_squared}
    publish(path, encode({**arrays, "u": result.potentials[0], "v": result.potentials[1]}, meta))


def _record(result: W2Result, a: NDArray[np.float64], b: NDArray[np.float64]) -> Record:
    record: Record = {
        "w2_squared": result.w2_squared,
        "rmd2": rmd2_from(result.w2_squared, a, b),
        "lower_bound": result.lower_bound,
        "relative_gap": result.relative_gap if np.isfinite(result.relative_gap) else None,
        "method": result.method,
        "seconds": result.seconds,
    }
    if result.method == "sliced":
        record["standard_error"] = result.standard_error
    return record


def _to_laws(cloud: str, given: dict[str, Any]) -> Record:
    """The distance of one cloud to symmetric laws."""
    from mfsym.experiments import distance_to
    from mfsym.stores.clouds import load_cloud

    z, draws = load_cloud(cloud, given["at"]), {"null": given["null"] or 0, "seed": given["seed"]}
    return distance_to(z, given["to"], _unit_of(cloud, given), **draws)


def _unit_of(cloud: str, given: dict[str, Any]) -> str | Unit:
    """The unit whose group acts: from ``--problem``, ``--unit``, the run file, or the reference problem."""
    if given["problem"] is not None:
        from mfsym.problems import load_problem

        return load_problem(given["problem"]).unit
    name = cloud.rpartition("@")[0] if ".nc@" in cloud else cloud
    if given["unit"] is not None or not name.endswith(".nc"):
        return str(given["unit"] or "matrix")
    return _unit_of_run(name)


def _unit_of_run(path: str) -> Unit:
    """The unit that a run trained; MfsymError if its file does not record it, or if its problem was a Python object."""
    from mfsym.experiments import problem_of
    from mfsym.experiments.cells import GIVEN
    from mfsym.stores import open_result

    try:
        cell = Cell.from_dict(json.loads(open_result(path).attrs["config"]))
    except (KeyError, TypeError, ValueError):
        raise MfsymError(f"{path}: does not say which group acts; state --unit or --problem") from None
    if cell.problem == GIVEN:
        raise MfsymError(
            f"{path}: its problem {cell.teacher!r} was a Python object or a file of particles; give --unit or --problem"
        )
    return problem_of(cell).unit


def _along(run: str, other: str | None, at: float | None) -> list[Record]:
    """The distance from each snapshot of a run to the next snapshot, or to another cloud."""
    from mfsym.stores import open_result
    from mfsym.stores.clouds import load_cloud

    if Path(run).suffix.lower() != ".nc":
        raise MfsymError(f"{run}: --along time needs a run file, .nc")
    dataset = open_result(run)
    if "particles" not in dataset or dataset["particles"].dims != ("time", "particle", "param"):
        raise MfsymError(f"{run}: holds no particles over time; use a file of mfsym simulate")
    times, snapshots = dataset["time"].values, np.asarray(dataset["particles"].values, dtype=np.float64)
    reference = None if other is None else load_cloud(other, at)
    if reference is None and times.size < 2:
        raise MfsymError(f"{run}: must keep at least two times, got {times.size}; state the other cloud")
    records = []
    for step, result in enumerate(w2_along(snapshots, reference)):
        beside = {"time": float(times[step])}
        if reference is None:
            beside["to_time"] = float(times[step + 1])
        target = snapshots[step + 1] if reference is None else reference
        records.append(beside | _record(result, snapshots[step], target))
    return records


def _table(records: list[Record]) -> str:
    """One line per record."""
    names = [name for name in records[0] if name not in ("lower_bound", "seconds")]
    lines = [" ".join(f"{name:>14s}" for name in names)]
    for record in records:
        cells = [f"{record[name]:.8g}" if isinstance(record[name], float) else str(record[name]) for name in names]
        lines.append(" ".join(f"{cell:>14s}" for cell in cells))
    return "\n".join(lines)
