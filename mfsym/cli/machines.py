"""Commands that concern the machine: info, warmup."""

from __future__ import annotations

import json
import time

import click

from mfsym.cli.options import format_option, quiet_option
from mfsym.errors import StoreError


@click.command()
@format_option("text", "json")
def info(form: str) -> None:
    """Show versions, processor, cores and where compiled code is cached.

    \b
    Example:
      mfsym info --format json
    """
    from mfsym.accelerate import JIT_DISABLED, available_threads
    from mfsym.runtime.caches import places
    from mfsym.runtime.provenance import machine, packages

    facts = {
        **machine(),
        "threads": available_threads(),
        "jit": "off" if JIT_DISABLED else "on",
        "cache": places().describe(),
    }
    if form == "json":
        click.echo(json.dumps({"machine": facts, "packages": packages()}))
        return
    for name, value in {**packages(), **facts}.items():
        click.echo(f"{name:11s} {value}")


@click.command()
@quiet_option("Print nothing.")
def warmup(quiet: bool) -> None:
    """Compile every kernel into the cache, so that the first run does not wait for it.

    \b
    Example:
      mfsym warmup
    """
    from mfsym.experiments.warmups import tasks, warm_up
    from mfsym.runtime.caches import places
    from mfsym.runtime.progress import Progress

    if places().kept is None:
        raise StoreError(places().reason or "compiled code is not to be kept: MFSYM_CACHE_DIR is the null device")
    started = time.monotonic()
    with Progress(len(list(tasks())), "warmup", verbosity=-1 if quiet else 0, unit="kernel set") as progress:
        warm_up(progress.cell)
    if not quiet:
        click.echo(f"kernels compiled in {time.monotonic() - started:.1f} s")
