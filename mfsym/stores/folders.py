"""The folder of a sweep: its configuration, cells and failures. There is no index; the files define the state."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfsym.configurations.fields import defaults
from mfsym.errors import MfsymError, StoreError
from mfsym.stores.archives import Archive, load
from mfsym.stores.publishing import make_folder, publish, read_bytes, seal, sweep_temporaries, unseal, unusable

FIXED = ("scheme", "seed", "problem_digest")
"""Keys that every cell of a folder shares, lists in any order. The others span the grid, whose cells are found by
identity."""


@dataclass(frozen=True)
class Folder:
    """The files of a sweep.

    result : the final Dataset.  root : config.json, .lock, cells/, failed/.
    """

    result: Path
    root: Path

    @property
    def config(self) -> Path:
        """The resolved configuration, sealed JSON."""
        return self.root / "config.json"

    @property
    def cells(self) -> Path:
        """The published cells."""
        return self.root / "cells"

    @property
    def failed(self) -> Path:
        """Records of the cells that failed."""
        return self.root / "failed"

    def cell(self, identity: str) -> Path:
        """The file of a cell."""
        return self.cells / f"{identity}.npz"

    def failure(self, identity: str) -> Path:
        """The record of a failed cell."""
        return self.failed / f"{identity}.json"

    def make(self) -> None:
        """Make the folders."""
        for path in (self.result.parent, self.cells, self.failed):
            make_folder(path)


def folder_of(out: Path | str) -> Folder:
    """``runs/a.nc`` has its cells in ``runs/a.cells``; any other path is a folder that contains ``results.nc``."""
    out = Path(out)
    if out.suffix == ".nc":
        if out.is_dir():
            raise MfsymError(f"{out}: must be a file path, got a folder")
        return Folder(out, out.with_suffix(".cells"))
    if out.is_file():
        raise MfsymError(f"{out}: must end in .nc or be a folder, got another file; choose another name")
    return Folder(out / "results.nc", out)


@contextmanager
def locked(folder: Folder, *, shared: bool) -> Iterator[None]:
    """Lock the folder, exclusively for one sweep or shared by several shards. StoreError if another sweep holds it.

    The lock only saves work. Correctness does not depend on it, since cells are published atomically and determined by
    their names.
    """
    path = folder.root / ".lock"
    try:
        handle = path.open("a")
    except OSError as error:
        raise unusable(path, "opened", error) from error
    with handle:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{folder.root}: locked by another sweep; wait for it, or run it in shards") from error
        except OSError:
            pass
        else:
            if not shared:
                for place in (folder.root, folder.cells, folder.failed):
                    sweep_temporaries(place)
        yield


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Lines of a diff between two resolved configurations if their grids have no common cell; empty otherwise.

    Lists may be reordered, grow and lose values. The place of a problem file does not count, its content does.
    A key that one of them does not know is newer than it: there it has its default.
    """
    changed, unset = [], defaults()
    for table in sorted({*old, *new}):
        before, after = old.get(table, {}), new.get(table, {})
        for key in sorted({*before, *after} - {"problem", "replicates"}):
            one, other = (each.get(key, unset.get(key)) for each in (before, after))
            mine, yours = _values(one), _values(other)
            same = mine == yours if key in FIXED else not mine.isdisjoint(yours)
            if not same:
                changed += [f"-{table}.{key} = {json.dumps(one)}", f"+{table}.{key} = {json.dumps(other)}"]
    return changed


def _values(stated: Any) -> set[Any]:
    """The values along one dimension of a grid."""
    return set(stated) if isinstance(stated, list) else {stated}


def read_config(folder: Folder) -> dict[str, Any] | None:
    """The tables of the folder's configuration; None if there is none; StoreError if damaged."""
    if not folder.config.exists():
        return None
    body = unseal(read_bytes(folder.config), folder.config)
    try:
        return json.loads(body)["tables"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder.config}: not a configuration; use overwrite=True to start over") from error


def refuse_change(folder: Folder, tables: dict[str, Any], identities: Iterable[str] = ()) -> dict[str, Any] | None:
    """The recorded tables, if the new ones share cells with them; StoreError with the differences otherwise.

    identities : of the new cells; it suffices if the folder contains one of them, even from an earlier grid.
    """
    old = read_config(folder)
    changed = _differences(old, tables) if old is not None else []
    if changed and not any(folder.cell(identity).exists() for identity in identities):
        raise StoreError(
            f"{folder.root} contains a sweep of another configuration ({'; '.join(changed)}); "
            "choose another output, or overwrite=True to discard it"
        )
    return old


def adopt_config(folder: Folder, tables: dict[str, Any], identities: Iterable[str] = ()) -> None:
    """Record the configuration, replacing one that shares cells with it; StoreError as in ``refuse_change``."""
    if refuse_change(folder, tables, identities) != tables:
        publish(folder.config, seal(json.dumps({"tables": tables}, sort_keys=True, indent=1).encode()))


def discard(folder: Folder) -> None:
    """Remove the files of a sweep (overwrite), and only files with names that a sweep writes."""
    try:
        for path in [*folder.cells.glob("*.npz"), *folder.failed.glob("*.json")]:
            path.unlink(missing_ok=True)
        for path in (folder.config, folder.result):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise unusable(folder.root, "cleared", error) from error


def load_cell(folder: Folder, identity: str) -> Archive | None:
    """A verified cell, None if absent; StoreError if damaged or if its identity does not match its name."""
    path = folder.cell(identity)
    if not path.exists():
        return None
    archive = load(path)
    if archive.meta.get("identity") != identity:
        raise StoreError(
            f"{path}: contains cell {str(archive.meta.get('identity'))[:40]}, which does not match its name"
        )
    return archive


def record_failure(folder: Folder, identity: str, record: dict[str, Any]) -> None:
    """Publish the record of a failed cell."""
    publish(folder.failure(identity), json.dumps(record, sort_keys=True, indent=1).encode())


def forget_failure(folder: Folder, identity: str) -> None:
    """Remove the record of a failure after the cell has succeeded."""
    with suppress(OSError):
        folder.failure(identity).unlink(missing_ok=True)


def read_failure(folder: Folder, identity: str) -> dict[str, Any] | None:
    """The record of a failed cell, None if it did not fail."""
    path = folder.failure(identity)
    if not path.exists():
        return None
    try:
        record = json.loads(read_bytes(path))
    except ValueError:
        return {"error": "unreadable record", "type": "unknown"}
    return record if isinstance(record, dict) else {"error": "unreadable record", "type": "unknown"}
