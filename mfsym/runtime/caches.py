"""The cache of compiled code: folders to which nobody else can write, because their contents are loaded and executed.

The candidates, in this order: ``MFSYM_CACHE_DIR``, the user's cache folder, a folder of this user in the temporary
folder. A folder is used if it belongs to this user, nobody else may write to it, and nobody else can replace it: each
folder and link on its path belongs to this user or to the system, and no folder on the path is writable by others
unless its sticky bit is set. If no folder qualifies, every process compiles its code again, after one warning.
``MFSYM_CACHE_DIR=/dev/null`` requests that without a warning.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mfsym.errors import MfsymWarning

NAMED = "MFSYM_CACHE_DIR"
ANNOUNCED = "_MFSYM_CACHE_TOLD"
"""Set for worker processes to the number of the one that started them, which has said where compiled code is kept."""

TEMPORARY = ("/tmp", "/var/tmp", "/usr/tmp")
"""Folders for temporary files unless TMPDIR, TEMP or TMP is set. Never the working directory."""

LOCK = ".lock"
"""Held by the process that compiles into a folder; says which process its last worker was started by."""

PRIVATE = 0o700
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS = stat.S_IRWXG | stat.S_IRWXO
MAX_LINKS = 40


@dataclass(frozen=True)
class Places:
    """The cache folders of a process.

    kept : the folder that code is loaded from and saved to; None if every process compiles again.
    read : folders of this user that are read-only at present; they are searched first.
    note : why the preferred folder is not used, issued when a kernel is first needed; "" if it is used.
    nowhere : issued when code must be compiled and cannot be saved; "" if it can, or if ``note`` says so.
    """

    kept: Path | None
    read: tuple[Path, ...] = ()
    note: str = ""
    nowhere: str = ""

    @property
    def reason(self) -> str:
        """Why the cache is in another folder, or nowhere."""
        return self.note or self.nowhere

    def describe(self) -> str:
        """The folder in use, as text."""
        folders = [str(folder) for folder in (self.kept, *self.read) if folder is not None]
        return folders[0] if folders else "none: compiled anew in every process"


def _steps(path: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """Every folder and link on the lookup of an absolute path, in order, ending with the final folder.

    Stops with None at the first missing entry. Raises OSError if the lookup would.
    """
    at, waiting, links = "/", list(path.parts[:0:-1]), 0
    yield at, os.lstat(at)
    while waiting:
        part = waiting.pop()
        if part == "..":
            at = os.path.dirname(at)
            continue
        entry = os.path.join(at, part)
        try:
            found = os.lstat(entry)
        except FileNotFoundError:
            yield entry, None
            return
        yield entry, found
        if not stat.S_ISLNK(found.st_mode):
            at = entry
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), entry)
        target = Path(os.readlink(entry))
        at = "/" if target.is_absolute() else at
        waiting += [name for name in reversed(target.parts) if name != target.anchor]
    yield at, os.lstat(at)


def distrust(path: Path) -> str:
    """How another user could write code to the folder at an absolute path, in a few words; "" if nobody can.

    For a missing folder, its parents decide. Raises OSError if the folder cannot be looked up.
    """
    if not path.is_absolute():
        return f"{path} is in a working directory that no longer exists"
    trusted = {os.geteuid(), 0, os.lstat("/").st_uid}
    for entry, found in _steps(path):
        if found is None:
            return ""
        if found.st_uid not in trusted:
            return f"{entry} belongs to another user ({found.st_uid})"
        if stat.S_ISLNK(found.st_mode):
            continue
        if not stat.S_ISDIR(found.st_mode):
            return f"{entry} is not a folder"
        if found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
            return f"others may write {entry}"
    assert found is not None
    if found.st_uid != os.geteuid():
        return f"{entry} belongs to another user ({found.st_uid})"
    return f"others may write {entry}" if found.st_mode & OTHERS_WRITE else ""


def exposed(path: Path) -> str:
    """As ``distrust``, for a folder that must exist, not be a link, and be closed to other users (mode 700)."""
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        return f"{path} is not a folder"
    return distrust(path) or (f"others may enter {path}" if found.st_mode & OTHERS else "")


def make_private(path: Path) -> None:
    """Make a folder and its missing parents for this user only (mode 700). Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, PRIVATE)


def make_sealed(path: Path) -> None:
    """Make a folder that is closed to other users. Raises OSError, also if the existing folder is open to them."""
    make_private(path)
    fault = exposed(path)
    if fault:
        raise PermissionError(errno.EPERM, fault)


def is_sealed(path: Path) -> bool:
    """Whether a folder exists and only this user can have written to it."""
    try:
        return not exposed(path)
    except OSError:
        return False


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Candidate folders for compiled code, with the origin of each: ``named``, ``home`` or ``temporary``.

    A home or temporary folder that does not exist is skipped.
    """
    named = environ.get(NAMED)
    if named:
        yield _absolute(named), "named"
    home, caches = environ.get("HOME", os.path.expanduser("~")), environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(caches):
        yield Path(caches, "mfsym"), "home"
    elif os.path.isabs(home) and os.path.isdir(home):
        yield Path(home, ".cache", "mfsym"), "home"
    wanted = [environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    for folder in dict.fromkeys([*wanted, *TEMPORARY]):
        if os.path.isabs(folder) and os.path.isdir(folder):
            yield Path(folder, f"mfsym-cache-{os.geteuid()}"), "temporary"


def _absolute(text: str) -> Path:
    """The absolute path of a folder; unchanged if it is relative to a working directory that no longer exists."""
    path = os.path.expanduser(text)
    try:
        return Path(os.path.abspath(path))
    except FileNotFoundError:
        return Path(path)


def _prepare(root: Path, origin: str) -> tuple[str, bool]:
    """Prepare a folder: why it cannot be used ("" if it can), and whether that is because others could write to it."""
    try:
        fault = distrust(root)
        if not fault:
            make_private(root / "kernels")
            fault = (exposed(root) if origin == "temporary" else distrust(root)) or distrust(root / "kernels")
    except OSError as error:
        return f"{root}: {error.strerror or error}", False
    return fault, bool(fault)


def find(environ: Mapping[str, str]) -> Places:
    """Find and make the cache folders for this user and these environment variables. Never raises OSError."""
    if environ.get(NAMED) == os.devnull:
        return Places(None)
    read: list[Path] = []
    faults: list[str] = []
    aloud: list[str] = []
    for root, origin in _candidates(environ):
        fault, unsafe = _prepare(root, origin)
        folder = root / "kernels"
        if fault:
            faults.append(fault)
            if origin == "named" or (unsafe and origin == "home"):
                place = f"{NAMED}={environ[NAMED]}" if origin == "named" else str(root)
                law = ", because it must be writable by you alone" if unsafe else ""
                aloud.append(f"{place} is not used for compiled code{law}: {fault}")
        elif os.access(folder, os.W_OK | os.X_OK):
            note = f"{'; '.join(aloud)}; {folder} is used instead" if aloud else ""
            return Places(folder, tuple(read), note)
        else:
            read.append(folder)
            faults.append(f"{folder}: cannot be written")
    what = f"compiled code that is not in {' or '.join(map(str, read))}" if read else "compiled code"
    text = (
        f"{what} cannot be saved ({'; '.join(faults) or 'there is no home and no temporary folder'}): "
        f"every process compiles what it needs, which takes minutes; set {NAMED} to a folder that only you can write, "
        f"or to {os.devnull} to accept this"
    )
    return Places(None, tuple(read), nowhere=text) if read else Places(None, note=text)


@functools.cache
def places() -> Places:
    """The cache folders of this process; in a worker process, without warnings."""
    found = find(os.environ)
    return replace(found, note="", nowhere="") if is_worker() else found


@functools.cache
def say(text: str) -> None:
    """Issue a warning once per process and text; an empty text issues none."""
    if text:
        warnings.warn(text, MfsymWarning, stacklevel=2)


def announced() -> dict[str, str]:
    """Issue the warnings now; returns the environment variables that keep worker processes from repeating them."""
    say(places().note)
    say(places().nowhere)
    return {ANNOUNCED: str(os.getpid())}


def is_worker() -> bool:
    """Whether this process was started by another one of this package."""
    return ANNOUNCED in os.environ


def is_first_worker(folder: Path) -> bool:
    """Whether no other worker of the process that started this one has asked this, while it held the folder's lock.

    False for a process that is no worker, and where nothing can be written.
    """
    starter = os.environ.get(ANNOUNCED)
    if starter is None:
        return False
    try:
        first = (folder / LOCK).read_text() != starter
        (folder / LOCK).write_text(starter)
    except OSError:
        return False
    return first


@contextlib.contextmanager
def alone(folder: Path | None) -> Iterator[None]:
    """Hold the lock of a folder, waiting for it; no lock without a folder, without disk space or without locking (NFS).

    The lock only saves work: two processes that compile at the same time write the same code.
    """
    with contextlib.ExitStack() as held:
        if folder is not None and _is_trusted(folder):
            with contextlib.suppress(OSError):
                handle = held.enter_context(open(folder / LOCK, "a"))
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_trusted(folder: Path) -> bool:
    """Whether the folder exists (made again if it was removed) and is still writable by this user only."""
    try:
        make_private(folder)
        return not distrust(folder)
    except OSError:
        return False
