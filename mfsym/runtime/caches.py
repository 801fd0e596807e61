"""Where compiled code is kept: folders into which nobody else can put code, because what they hold is loaded and run.

The places, in this order: ``MFSYM_CACHE_DIR``, the user's cache folder, a folder of this user in the temporary folder.
A place is used if it belongs to this user, if nobody else may write it, and if nobody else can put another folder in
its stead: each folder and link on the way to it belongs to this user or to the system, and none of the folders can be
written by others, unless its sticky bit leaves to each what is theirs. Without any place code is compiled anew in every
process, and one warning says so; ``MFSYM_CACHE_DIR=/dev/null`` asks for that and is answered by silence.
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
TOLD = "_MFSYM_CACHE_TOLD"
"""Set for worker processes to the number of the one that started them, which has said where compiled code is kept."""

TEMPORARY = ("/tmp", "/var/tmp", "/usr/tmp")
"""Where temporary files go unless TMPDIR, TEMP or TMP says otherwise. Never the working directory."""

LOCK = ".lock"
"""Held by the process that compiles into a folder; says which process its last worker was started by."""

PRIVATE = 0o700
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS = stat.S_IRWXG | stat.S_IRWXO
MAX_LINKS = 40


@dataclass(frozen=True)
class Places:
    """Folders of compiled code.

    kept : where it is loaded from and saved to; None if it is compiled anew in every process.
    read : folders of this user that cannot be written now (a read-only file system); they are searched first.
    note : why it is not kept where it should be, said when a kernel is first needed; "" if all is well.
    nowhere : said when something must be compiled and cannot be kept; "" if it can, or if ``note`` said so.
    """

    kept: Path | None
    read: tuple[Path, ...] = ()
    note: str = ""
    nowhere: str = ""

    @property
    def reason(self) -> str:
        """Why code is kept elsewhere or nowhere."""
        return self.note or self.nowhere

    def describe(self) -> str:
        """The folder in use, for people."""
        folders = [str(folder) for folder in (self.kept, *self.read) if folder is not None]
        return folders[0] if folders else "none: compiled anew in every process"


def _steps(path: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """Every folder and link that the lookup of an absolute path passes, in order, and then the folder it ends at.

    The walk ends with None for the first that is missing. Raises OSError where the lookup would.
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
    """How others could put code into the folder at an absolute path, in a few words; "" if they cannot.

    A folder that is not there yet is judged by those above it. Raises OSError where the folder cannot be looked up.
    """
    if not path.is_absolute():
        return f"{path} is in a working directory that is gone"
    trusted = {os.geteuid(), 0, os.lstat("/").st_uid}
    for entry, found in _steps(path):
        if found is None:
            return ""
        if found.st_uid not in trusted:
            return f"{entry} belongs to another user ({found.st_uid})"
        if stat.S_ISLNK(found.st_mode):
            continue
        if not stat.S_ISDIR(found.st_mode):
            return f"{entry} is no folder"
        if found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
            return f"others may write {entry}"
    assert found is not None
    if found.st_uid != os.geteuid():
        return f"{entry} belongs to another user ({found.st_uid})"
    return f"others may write {entry}" if found.st_mode & OTHERS_WRITE else ""


def exposed(path: Path) -> str:
    """As ``distrust``, for a folder that must be there, be no link, and be closed to all others (mode 700)."""
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        return f"{path} is no folder"
    return distrust(path) or (f"others may enter {path}" if found.st_mode & OTHERS else "")


def make_private(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone (mode 700). Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, PRIVATE)


def make_sealed(path: Path) -> None:
    """Make a folder that is closed to all others. Raises OSError, also if the one that is there is open to them."""
    make_private(path)
    fault = exposed(path)
    if fault:
        raise PermissionError(errno.EPERM, fault)


def is_sealed(path: Path) -> bool:
    """Whether a folder is there and only this user can have put anything into it."""
    try:
        return not exposed(path)
    except OSError:
        return False


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Paths where compiled code may be kept, and where each is from: ``named``, ``home`` or ``temporary``.

    A home or a temporary folder that does not exist is none.
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
    """The absolute path of a folder; as it is where the working directory it is relative to is gone."""
    path = os.path.expanduser(text)
    try:
        return Path(os.path.abspath(path))
    except FileNotFoundError:
        return Path(path)


def _prepare(root: Path, origin: str) -> tuple[str, bool]:
    """Make a place ready: why it cannot be used ("" if it can), and whether that is because others could write it."""
    try:
        fault = distrust(root)
        if not fault:
            make_private(root / "kernels")
            fault = (exposed(root) if origin == "temporary" else distrust(root)) or distrust(root / "kernels")
    except OSError as error:
        return f"{root}: {error.strerror or error}", False
    return fault, bool(fault)


def find(environ: Mapping[str, str]) -> Places:
    """The folders of compiled code for this user and these environment variables; makes them. Never raises OSError."""
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
                law = ", which must be yours alone to write" if unsafe else ""
                aloud.append(f"{place} is not used for compiled code{law}: {fault}")
        elif os.access(folder, os.W_OK | os.X_OK):
            note = f"{'; '.join(aloud)}; {folder} is used instead" if aloud else ""
            return Places(folder, tuple(read), note)
        else:
            read.append(folder)
            faults.append(f"{folder}: cannot be written")
    what = f"compiled code that is not in {' or '.join(map(str, read))}" if read else "compiled code"
    text = (
        f"{what} can be kept nowhere ({'; '.join(faults) or 'there is no home and no temporary folder'}): "
        f"every process compiles what it needs, for minutes; set {NAMED} to a folder that you alone can write, "
        f"or to {os.devnull} to leave it so"
    )
    return Places(None, tuple(read), nowhere=text) if read else Places(None, note=text)


@functools.cache
def places() -> Places:
    """The folders of compiled code of this process; a worker says nothing about them."""
    found = find(os.environ)
    return replace(found, note="", nowhere="") if is_worker() else found


@functools.cache
def say(text: str) -> None:
    """Warn, once per process and text; nothing for an empty text."""
    if text:
        warnings.warn(text, MfsymWarning, stacklevel=2)


def announced() -> dict[str, str]:
    """Say now what there is to say; the environment variables that keep the worker processes from saying it again."""
    say(places().note)
    say(places().nowhere)
    return {TOLD: str(os.getpid())}


def is_worker() -> bool:
    """Whether this process was started by another one of this package."""
    return TOLD in os.environ


def is_first_worker(folder: Path) -> bool:
    """Whether no other worker of the process that started this one has asked this, while it held the folder's lock.

    False for a process that is no worker, and where nothing can be written.
    """
    starter = os.environ.get(TOLD)
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
    """Hold the lock of a folder, or wait for it; without one where there is no folder, no room, or no locking (NFS).

    The lock spares work: two processes that compile at once write the same code.
    """
    with contextlib.ExitStack() as held:
        if folder is not None and _is_trusted(folder):
            with contextlib.suppress(OSError):
                handle = held.enter_context(open(folder / LOCK, "a"))
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_trusted(folder: Path) -> bool:
    """Whether the folder is there, made again if it was removed, and still this user's alone to write."""
    try:
        make_private(folder)
        return not distrust(folder)
    except OSError:
        return False
