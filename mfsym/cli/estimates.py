"""Print the resources that a training needs, without running it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mfsym.configurations.preflight import ResourceEstimate

dry_run_option = click.option("--dry-run", is_flag=True, help="Estimate time and memory; run nothing.")


def print_estimate(
    needs: ResourceEstimate, schemes: int, form: str = "text", read: dict[str, dict[str, int]] | None = None
) -> None:
    """Print the number of trainings, the memory per worker and the nominal time of ``needs.cells`` replicates.

    read : scheme to read-out to forward passes for one input, of a comparison with read-outs.
    """
    from mfsym.configurations.preflight import human_bytes, human_seconds

    trainings = needs.cells * schemes
    if form == "json":
        record = {"trainings": trainings, "memory_bytes": needs.memory, "seconds": needs.seconds}
        click.echo(json.dumps(record | ({"passes": read} if read else {})))
        return
    click.echo(f"trainings {trainings}")
    click.echo(f"memory    {human_bytes(needs.memory)} per worker")
    click.echo(f"time      about {human_seconds(needs.seconds)} of one core (nominal)")
    for scheme, passes in (read or {}).items():
        counts = ", ".join(f"{name} {count}" for name, count in passes.items())
        click.echo(f"passes    {scheme}: {counts}")
