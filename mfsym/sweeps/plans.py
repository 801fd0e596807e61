"""Plan a sweep: list its cells, find those that are done, and estimate the cost of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mfsym.configurations.cells import Cell, expand
from mfsym.configurations.layers import Resolved, resolve
from mfsym.configurations.preflight import PARAMETERS, ResourceEstimate, human_bytes, human_seconds
from mfsym.errors import MfsymError, StoreError
from mfsym.stores.archives import Archive
from mfsym.stores.folders import Folder, load_cell, read_config, read_failure


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count`` of a sweep's cells."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """'2/4' is the second of four parts; MfsymError otherwise."""
        index, _, total = text.partition("/")
        if index.isdecimal() and total.isdecimal() and len(text) < 20 and 1 <= int(index) <= int(total):
            return cls(int(index), int(total))
        raise MfsymError(f"a shard must be i/n with 1 <= i <= n, got {text[:40]!r}")

    def holds(self, position: int) -> bool:
        """Whether the cell at this position, in order of cost, belongs to the shard."""
        return position % self.count == self.index - 1


@dataclass
class SweepState:
    """The cells of a folder by status, read from their files; damaged cells also count as missing."""

    done: list[Cell] = field(default_factory=list)
    diverged: list[Cell] = field(default_factory=list)
    drifted: list[Cell] = field(default_factory=list)
    failed: list[Cell] = field(default_factory=list)
    missing: list[Cell] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def counts(self) -> dict[str, int]:
        """Number of cells by status; ``done`` includes ``diverged`` and ``drifted``."""
        return {
            "cells": len(self.done) + len(self.failed) + len(self.missing),
            "done": len(self.done),
            "diverged": len(self.diverged),
            "drifted": len(self.drifted),
            "failed": len(self.failed),
            "missing": len(self.missing),
            "damaged": len(self.damaged),
        }

    def forecast(self) -> float | None:
        """Predicted single-core seconds for the missing cells, from the time of the done ones; None if none is done."""
        known = sum(cell.cost for cell in self.done)
        if not self.done or not known:
            return None
        return self.seconds * sum(cell.cost for cell in self.missing) / known


def recorded(folder: Folder) -> Resolved:
    """The configuration that a folder was made with; StoreError if there is none."""
    tables = read_config(folder)
    if tables is None:
        raise StoreError(f"{folder.root}: holds no sweep (no config.json); run mfsym sweep first")
    return resolve((f"{folder.config}", {key: value for table in tables.values() for key, value in table.items()}))


def has_ended(archive: Archive, status: str) -> bool:
    """Whether any scheme of a cell ended with this status."""
    return bool((archive.arrays["status"] == status).any())


def parameters_of(problem: str, digest: str) -> int:
    """Parameters per particle of the unit of a problem file, or of the reference problem for ""."""
    if not problem:
        return PARAMETERS
    from mfsym.problems import load_problem

    return load_problem(problem, digest).unit.p


def cells_of(resolved: Resolved, shard: Shard = Shard()) -> list[Cell]:
    """The cells of a shard, most expensive first, so that workers finish at about the same time."""
    ordered = sorted((cell for _, cell in expand(resolved)), key=lambda cell: -cell.cost)
    return [cell for position, cell in enumerate(ordered) if shard.holds(position)]


def inspect(folder: Folder, cells: list[Cell]) -> SweepState:
    """Read and verify every file of the given cells."""
    state = SweepState()
    for cell in cells:
        identity = cell.identity
        try:
            archive = load_cell(folder, identity)
        except StoreError as error:
            state.damaged[identity] = str(error)
            archive = None
        if archive is not None:
            state.done.append(cell)
            state.seconds += float(archive.arrays.get("seconds", 0.0))
            if has_ended(archive, "diverged"):
                state.diverged.append(cell)
            elif has_ended(archive, "drifted"):
                state.drifted.append(cell)
        elif identity not in state.damaged and read_failure(folder, identity) is not None:
            state.failed.append(cell)
        else:
            state.missing.append(cell)
    return state


def describe(needs: ResourceEstimate, state: SweepState) -> Iterator[str]:
    """The lines that ``--dry-run`` prints."""
    counts = state.counts()
    yield f"cells    {counts['cells']}: {counts['done']} done, {counts['failed']} failed, {counts['missing']} to run"
    yield f"disk     {human_bytes(needs.disk)}"
    yield f"memory   {human_bytes(needs.memory)} per worker"
    forecast = state.forecast()
    if forecast is None:
        share = counts["missing"] / max(1, needs.cells)
        yield f"time     about {human_seconds(needs.seconds * share)} of one core (nominal)"
    else:
        yield f"time     about {human_seconds(forecast)} of one core (from the cells that are done)"


def dry_run_record(needs: ResourceEstimate, state: SweepState) -> dict[str, Any]:
    """The JSON record of ``--dry-run``."""
    forecast = state.forecast()
    return {
        **state.counts(),
        "disk_bytes": needs.disk,
        "memory_bytes": needs.memory,
        "seconds": needs.seconds if forecast is None else forecast,
    }
