"""Where compiled code is kept, and what it depends on.

numba's cache looks at the file of the function it loads and not at the files of the functions that one calls, so an
edited callee would go unnoticed. The cache folder of a kernel file is therefore named after a digest of that file and
of every kernel file it imports: compiled code may call across files, and a change anywhere below starts a fresh folder.
So does a change to any pack (NamedTuple) in the same folder of kernels, for code is compiled for packs that its file
need not import, and a change to how code is compiled. ``mfsym.runtime.caches`` says where the cache is and when it can
be trusted: its content is run.

One process at a time compiles the functions of a file: the others wait, and find the code in the cache.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba import config as _config
from numba.core import caching as _caching
from numba.core.compiler_lock import global_compiler_lock as _compiler_lock
from numba.core.runtime import rtsys as _runtime

from mfsym.accelerate.announcing import announce
from mfsym.runtime import caches

FOLDER = Path(__file__).parent
"""The files that say how code is compiled."""

HOUSE = FOLDER.parent
"""The package: its folders called ``kernels`` hold all compiled code."""

_PACK = re.compile(r"^class \w+\(NamedTuple\):.*?(?=^\S)", re.MULTILINE | re.DOTALL)
_KERNEL_IMPORT = re.compile(r"^from mfsym\.((?:\w+\.)*kernels\.\w+) import", re.MULTILINE)


def sources(path: Path) -> set[Path]:
    """A kernel file and every kernel file it imports, directly or not."""
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            names = _KERNEL_IMPORT.findall(current.read_text(encoding="utf-8"))
            files = [(HOUSE / name.replace(".", "/")).with_suffix(".py") for name in names]
            copied = {} if current.is_relative_to(HOUSE) else {file.name: file for file in current.parent.glob("*.py")}
            waiting += [copied.get(file.name, file) for file in files]
    return found


@functools.cache
def packs(folder: Path) -> bytes:
    """The text of every pack that the files of a folder define, and those of the ``kernels`` folders inside it."""
    files = sorted({*folder.glob("*.py"), *folder.rglob("kernels/*.py")})
    found = [(path.stem, _PACK.findall(path.read_text(encoding="utf-8"))) for path in files]
    return repr(found).encode()


@functools.cache
def sources_digest(path: Path) -> str:
    """Digest of all sources behind the compiled code of one kernel file, and of numba's version."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    behind = sources(path)
    for folder in sorted({source.parent for source in behind}):
        digest.update(packs(folder))
    for source in [*sorted(FOLDER.glob("*.py")), *sorted(behind)]:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


class _Locator(_caching.UserProvidedCacheLocator):
    """The folder of ``NUMBA_CACHE_DIR`` and no other: nothing is made or written before there is code to save."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        """The locator, whether or not the folder is there."""
        return cls(py_func, py_file)

    def ensure_cache_path(self) -> None:
        """Make the folder, for this user alone."""
        caches.make_private(Path(self.get_cache_path()))


class _Contents(_caching.CompileResultCacheImpl):
    """What numba saves of a function, in the folder of ``_Locator``."""

    _locator_classes = (_Locator,)


class _Files(_caching.FunctionCache):
    """numba's files of one function in one folder."""

    _impl_class = _Contents

    def __init__(self, py_func: Any, folder: Path) -> None:
        self.folder = folder
        with _configured(CACHE_DIR=str(folder), CACHE_LOCATOR_CLASSES=""):
            super().__init__(py_func)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Code from the folder, or None.

        numba's own loads first what it knows to compile, and parts of SciPy, in a quarter of a second; code that is
        compiled already needs nothing but what counts references.
        """
        _runtime.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


_DAMAGE = (EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError, ValueError)
"""What reading raises where a file was cut or zeroed, as a loss of power can leave it."""


class Cache(_caching.NullCache):
    """The compiled code of one function, kept where ``mfsym.runtime.caches`` says, or else compiled anew.

    The folder is looked at each time: one that was removed and made again by somebody else is not loaded from.
    """

    def __init__(self, py_func: Any, name: str) -> None:
        places = caches.places()
        self._name = f"{py_func.__module__}.{py_func.__qualname__}"
        self._read = [_Files(py_func, folder / name) for folder in places.read]
        self._kept = None if places.kept is None else _Files(py_func, places.kept / name)
        self._held = contextlib.ExitStack()

    @property
    def cache_path(self) -> str | None:
        """The folder that code is saved to."""
        return None if self._kept is None else str(self._kept.cache_path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Compiled code for a signature, or None: then this process is the one that compiles, until ``release``.

        Whoever compiles or waits for another process says so; of the workers of one process only the first to compile.
        """
        caches.say(caches.places().note)
        found = self._load(sig, target_context)
        if found is None and self._kept is None:
            announce(self._name)
        elif found is None and self._kept is not None:
            if not caches.is_worker():
                announce(self._name)
            self._held.enter_context(caches.alone(self._kept.folder))
            found = self._load(sig, target_context)
            if found is None and caches.is_first_worker(self._kept.folder):
                announce(self._name)
        return found

    def _load(self, sig: Any, target_context: Any) -> Any:
        for files in [*self._read, *([] if self._kept is None else [self._kept])]:
            if caches.is_sealed(files.folder):
                try:
                    found = files.load_overload(sig, target_context)
                except (OSError, *_DAMAGE) as error:
                    caches.say(
                        f"{files.folder}: cannot be read, so its code is compiled anew: {error or type(error).__name__}"
                    )
                    found = None
                if found is not None:
                    return found
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code; one warning for all that cannot be kept."""
        if self._kept is None:
            caches.say(caches.places().nowhere)
            return
        try:
            caches.make_sealed(self._kept.folder)
            try:
                self._kept.save_overload(sig, data)
            except _DAMAGE:
                self._kept.flush()
                self._kept.save_overload(sig, data)
        except OSError as error:
            caches.say(
                f"compiled code cannot be kept in {self._kept.folder.parent}: {error.strerror or error}; "
                "every process compiles it again"
            )

    def release(self) -> None:
        """Let other processes compile."""
        self._held.close()


@contextlib.contextmanager
def _configured(**values: str) -> Iterator[None]:
    """These values of numba's configuration, for as long as it takes to name a folder."""
    before = {name: getattr(_config, name, "") for name in values}
    vars(_config).update(values)
    try:
        yield
    finally:
        vars(_config).update(before)


def cached(compiled: Any) -> Any:
    """The dispatcher of a function, whose code is kept on disk from now on."""
    function, compile_one = compiled.py_func, compiled.compile
    source = Path(function.__code__.co_filename)
    cache = compiled._cache = Cache(function, f"{source.stem}-{sources_digest(source)}")

    def compile_alone(sig: Any) -> Callable[..., Any]:
        """As the dispatcher's own, and whoever waits for the same code may go on afterwards, also after an error."""
        with _compiler_lock:
            try:
                entry: Callable[..., Any] = compile_one(sig)
            finally:
                cache.release()
        return entry

    compiled.compile = compile_alone
    return compiled
