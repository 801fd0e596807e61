"""Commands on sweeps: sweep, table, status, collect, verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mfsym.cli.files import SIM
from mfsym.cli.options import (
    format_option,
    jobs_option,
    large_option,
    output_file,
    parameter_option,
    problem_option,
    verbosity,
    verbosity_options,
    with_options,
)
from mfsym.errors import StoreError, SweepIncomplete

set_option = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override a key; repeatable."
)
sim_argument = click.argument("sim", type=SIM)

override_options = with_options(
    set_option,
    parameter_option("seed", default="the file's"),
    parameter_option("replicate", default="the file's"),
    problem_option,
)

run_options = with_options(
    jobs_option,
    click.option("--scheduler", metavar="ADDRESS", help="A dask scheduler, tcp://host:port, or mpi."),
    click.option("--shard", metavar="I/N", default="1/1", help="Run part I of N; several jobs may share one folder."),
    click.option("--overwrite", is_flag=True, help="Discard existing results and start again."),
    click.option("--retry-failed", is_flag=True, help="Run failed cells again."),
    click.option("--keep-going/--fail-fast", default=True, help="Continue after a failed cell.  [default: keep going]"),
    click.option("--dry-run", is_flag=True, help="Print what would run; write nothing."),
    large_option,
    verbosity_options,
)


@click.command()
@sim_argument
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The result, .nc, or a folder.")
@override_options
@run_options
@format_option("text", "json")
def sweep(sim: Path, out: Path, form: str, dry_run: bool, **given: Any) -> None:
    """Run the grid of SIM, a file or a name of `mfsym list sims`, and write one Dataset; resumes where it stopped.

    \b
    Example:
      mfsym sweep demo -o demo.nc -j 2 --set n=5,10,50
    """
    from mfsym.configurations.loading import load
    from mfsym.sweeps import How, Options, Shard, execute, preview

    overrides = {key: given[key] for key in ("seed", "replicates", "problem")}
    resolved = load(sim, assignments=given["assignments"], options=overrides)
    how = How(
        jobs=given["jobs"],
        scheduler=given["scheduler"],
        fail_fast=not given["keep_going"],
        verbosity=verbosity(given["quiet"], given["verbose"]),
    )
    options = Options(
        overwrite=given["overwrite"],
        retry_failed=given["retry_failed"],
        shard=Shard.parse(given["shard"]),
        allow_large=given["allow_large"],
        how=how,
    )
    if dry_run:
        _print_preview(*preview(resolved, out, options), form)
        return
    summary = execute(resolved, out, options)
    if not given["quiet"]:
        _print_summary(summary, form)
    summary.check()


def _print_preview(needs: Any, state: Any, form: str) -> None:
    from mfsym.sweeps.plans import describe, dry_run_record

    click.echo(json.dumps(dry_run_record(needs, state)) if form == "json" else "\n".join(describe(needs, state)))


def _print_summary(summary: Any, form: str) -> None:
    if form == "json":
        click.echo(json.dumps(summary.to_dict()))
        return
    click.echo(f"{summary.ran} cell(s) run, {summary.kept} kept from before")
    if summary.ran:
        click.echo(f"{summary.training:.0f} s of training and {summary.measuring:.0f} s of distances and risks")
    for kind in ("failed", "diverged", "drifted"):
        for label, reason in sorted(getattr(summary, kind).values()):
            click.echo(f"  {kind:9s} {label}: {' '.join(reason.split())[:160]}")


@click.command()
@click.argument("result", type=click.Path(path_type=Path, dir_okay=True))
@click.option(
    "--variable", default="rmd2_si", show_default=True, help="Variable to tabulate, averaged over replicates."
)
@format_option("table", "csv")
def table(result: Path, variable: str, form: str) -> None:
    """Tabulate a sweep's result: one row per teacher, init and N, one column per scheme.

    \b
    Example:
      mfsym table results/demo.nc --variable risk
    """
    from mfsym.stores.folders import folder_of
    from mfsym.sweeps import open_result
    from mfsym.sweeps.tables import sweep_table

    path = folder_of(result).result
    click.echo(sweep_table(open_result(path), variable, csv=form == "csv"))


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@format_option("text", "json")
def status(out: Path, form: str) -> None:
    """Count the cells of a sweep, while it runs or after.

    \b
    Example:
      mfsym status results/demo.nc --format json
    """
    from mfsym.stores.folders import folder_of
    from mfsym.sweeps import inspect, recorded
    from mfsym.sweeps.plans import cells_of

    folder = folder_of(out)
    state = inspect(folder, cells_of(recorded(folder)))
    if form == "json":
        click.echo(json.dumps({**state.counts(), "seconds_to_go": state.forecast()}))
        return
    for name, number in state.counts().items():
        click.echo(f"{name:9s} {number}")
    for identity, reason in sorted(state.damaged.items()):
        click.echo(f"  damaged {identity}: {reason}")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@format_option("text", "json")
def collect(out: Path, form: str) -> None:
    """Build the result of a sweep from its verified cells, for example after the last shard.

    \b
    Example:
      mfsym collect results/fig3.nc
    """
    from mfsym.stores.datasets import content_digest
    from mfsym.stores.folders import folder_of
    from mfsym.sweeps import finish, inspect, recorded
    from mfsym.sweeps.plans import cells_of

    folder = folder_of(out)
    resolved = recorded(folder)
    state = inspect(folder, cells_of(resolved))
    if state.damaged:
        raise StoreError(f"{next(iter(state.damaged.values()))}; run mfsym sweep again to redo it")
    digest = content_digest(finish(folder, resolved))
    counts = state.counts()
    click.echo(json.dumps({"digest": digest, **counts}) if form == "json" else f"{folder.result} {digest}")
    if state.missing or state.failed or state.diverged:
        identities = tuple(cell.identity for cell in state.missing + state.failed + state.diverged)
        detail = f"{counts['missing']} missing, {counts['failed']} failed, {counts['diverged']} diverged"
        raise SweepIncomplete(f"of {counts['cells']} cells: {detail}", missing=identities)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@format_option("text", "json")
def verify(out: Path, form: str) -> None:
    """Check every byte of a result and of the cells behind it; print the digest of its values.

    \b
    Example:
      mfsym verify results/demo.nc
    """
    from mfsym.sweeps import verify as check

    found = check(out)
    if form == "json":
        click.echo(json.dumps(found.to_dict()))
    else:
        click.echo(f"digest {found.digest or '-'}\ncells  {found.cells}")
        for entry in found.bad:
            click.echo(f"bad    {entry['file']}: {entry['reason']}")
    if found.bad:
        raise StoreError(f"{out}: {len(found.bad)} bad file(s)")


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, help="The page to write, .html.")
def report(result: Path, out: str) -> None:
    """Write one self-contained page: tables, plots, configuration and provenance of a sweep.

    \b
    Example:
      mfsym report results/demo.nc -o report.html
    """
    from mfsym.stores.folders import folder_of
    from mfsym.stores.publishing import publish
    from mfsym.sweeps import open_result
    from mfsym.sweeps.reports import report as page

    path = output_file(out, ".html")
    source = folder_of(result).result
    text = page(open_result(source), f"mfsym: {source.stem}")
    assert path is not None
    publish(path, text.encode())
    click.echo(str(path))
