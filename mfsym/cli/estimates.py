"""Print the resources that a training needs, without running it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mfsym.configurations.preflight import ResourceEstimate

dry_run_option = click.option("--dry-run", is_flag=True, help="Estimate time and memory; run nothing.")


def print_estimate(needs: ResourceEstimate, schemes: int, form: str = "text") -> None:
    """Print the number of trainings, the memory per worker and the nominal time of ``needs.cells`` replicates."""
    from mfsym.configurations.preflight import human_bytes, human_seconds

    trainings = needs.cells * schemes
    if form == "json":
        click.echo(json.dumps({"trainings": trainings, "memory_bytes": needs.memory, "seconds": needs.seconds}))
        return
    click.echo(f"trainings {trainings}")
    click.echo(f"memory    {human_bytes(needs.memory)} per worker")
    click.echo(f"time      about {human_seconds(needs.seconds)} of one core (nominal)")
