"""The only door to numba: how every kernel is compiled, and where its code is cached.

Two policies:

* ``kernel``: fast-math without ``nnan`` and ``ninf``. Sums may be reassociated, so loops vectorise, but a NaN
  stays a NaN: a diverged run is always seen.
* ``exact``: IEEE arithmetic in the written order, for code that certifies its result.

Under both, arrays are borrowed from the caller: packs hold dozens of them, and counting references to them at a call
often cost more than the function called. Borrowed code makes no arrays, returns none, and calls nothing that returns
one; ``kernel_allocating`` and ``exact_allocating`` may. numba refuses what makes arrays; a test looks for the rest.

numba's cache looks at the file of the function it loads and not at the files of the functions that one calls, so an
edited callee would go unnoticed. The cache folder of a kernel file is therefore named after a digest of that file and
of every kernel file it imports: compiled code may call across files, and a change anywhere below starts a fresh folder.
So does a change to any pack (NamedTuple) of the kernels, for code is compiled for packs that its file need not import.
``mfsym.caches`` says where these folders are, and which of them can be trusted: what they hold is loaded and run.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import ir as _ir  # type: ignore[import-untyped]
from numba import config as _config
from numba.core import caching as _caching
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic as _intrinsic
from numba.extending import models as _models
from numba.extending import overload as _overload
from numba.extending import register_model as _register_model

from mfsym import caches

F = TypeVar("F", bound=Callable[..., Any])

FASTMATH = {"contract", "reassoc", "arcp", "nsz", "afn"}
OWNED: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "forceinline": False, "_nrt": True}
"""Options of compiled code that makes arrays. All are named, because a function takes those that are not from whatever
is compiled around it when it is first called."""

BORROWED: dict[str, Any] = {**OWNED, "_nrt": False}
"""Options of compiled code that counts no references to its arrays."""

JIT_DISABLED = bool(_config.DISABLE_JIT)


PACKAGE = Path(__file__).parent
_PACK = re.compile(r"^class \w+\(NamedTuple\):.*?(?=^\S)", re.MULTILINE | re.DOTALL)
_KERNEL_IMPORT = re.compile(r"^from mfsym\.((?:\w+\.)*kernels)\.(\w+) import", re.MULTILINE)


def _sources(path: Path) -> set[Path]:
    """A kernel file and every kernel file it imports, directly or not."""
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            for folder, name in _KERNEL_IMPORT.findall(current.read_text(encoding="utf-8")):
                beside, ours = current.with_name(f"{name}.py"), PACKAGE.joinpath(*folder.split("."), f"{name}.py")
                waiting.append(beside if beside.exists() and PACKAGE not in beside.parents else ours)
    return found


@functools.cache
def _packs(folder: Path) -> bytes:
    """The text of every pack that the files of a folder define, and those of the ``kernels`` folders inside it."""
    files = sorted({*folder.glob("*.py"), *folder.rglob("kernels/*.py")})
    found = [(path.stem, _PACK.findall(path.read_text(encoding="utf-8"))) for path in files]
    return repr(found).encode()


@functools.cache
def _sources_digest(path: Path) -> str:
    """Digest of all sources behind the compiled code of one kernel file, and of numba's version."""
    digest = hashlib.blake2b(numba.__version__.encode() + _packs(PACKAGE), digest_size=8)
    for source in [Path(__file__), *sorted(_sources(path))]:
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


_DAMAGE = (EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError, ValueError)
"""What reading raises where a file was cut or zeroed, as a loss of power can leave it."""


class _Cache(_caching.NullCache):
    """The compiled code of one function, looked for and kept where ``mfsym.caches`` says; elsewhere, compiled anew.

    The folder is looked at each time: one that was removed and made again by somebody else is not loaded from.
    """

    def __init__(self, py_func: Any, name: str) -> None:
        places = caches.places()
        self._read = [_Files(py_func, folder / name) for folder in places.read]
        self._kept = None if places.kept is None else _Files(py_func, places.kept / name)

    @property
    def cache_path(self) -> str | None:
        """The folder that code is saved to."""
        return None if self._kept is None else str(self._kept.cache_path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Compiled code for a signature, or None."""
        caches.say(caches.places().note)
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


@contextlib.contextmanager
def _configured(**values: str) -> Iterator[None]:
    """These values of numba's configuration, for as long as it takes to name a folder."""
    before = {name: getattr(_config, name, "") for name in values}
    vars(_config).update(values)
    try:
        yield
    finally:
        vars(_config).update(before)


def _compile(**options: Any) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        if JIT_DISABLED:
            return function
        source = Path(function.__code__.co_filename)
        compiled: Any = numba.njit(nogil=True, **options)(function)
        compiled._cache = _Cache(function, f"{source.stem}-{_sources_digest(source)}")
        kept: F = compiled
        return kept

    return decorate


def kernel(function: F) -> F:
    """Compile a numerical kernel: sums reassociate and vectorise, NaN and inf propagate."""
    return _compile(**{**BORROWED, "fastmath": FASTMATH})(function)


def kernel_allocating(function: F) -> F:
    """As ``kernel``, for code that makes arrays of its own."""
    return _compile(**{**OWNED, "fastmath": FASTMATH})(function)


NotCompiled = numba.core.errors.NumbaError
"""What is raised where a user's function cannot be compiled."""


def uncached_kernel(function: F) -> F:
    """As ``kernel_allocating``, compiled again in every process: for kernels that take a user's functions."""
    compiled: F = numba.njit(nogil=True, **{**OWNED, "fastmath": FASTMATH})(function)
    return compiled


def user_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A user's function, compiled as the kernels around it where it is not yet; with the JIT off, as it is."""
    if JIT_DISABLED or hasattr(function, "py_func"):
        return function
    compiled: Callable[..., Any] = numba.njit(**{**OWNED, "fastmath": FASTMATH})(function)
    return compiled


def inner(function: F) -> F:
    """As ``kernel``, for a few lines of arithmetic that are always inlined into the compiled caller."""
    if JIT_DISABLED:
        return function
    inlined: F = numba.njit(**{**BORROWED, "fastmath": FASTMATH, "forceinline": True})(function)
    return inlined


def written_out(function: F) -> F:
    """As ``inner``, but written out in the caller before anything is compiled: for the parts of one large kernel.

    A kernel is compiled again inside each kernel that calls it; a part is compiled once, with its kernel.
    """
    if JIT_DISABLED:
        return function
    inlined: F = numba.njit(inline="always")(function)
    return inlined


def exact(function: F) -> F:
    """Compile with IEEE arithmetic in the written order."""
    return _compile(**BORROWED)(function)


def exact_allocating(function: F) -> F:
    """As ``exact``, for code that makes arrays of its own."""
    return _compile(**OWNED)(function)


def exact_part(function: F) -> F:
    """As ``exact``, always inlined: for parts of a hot loop, where copying packs at each call is still felt."""
    if JIT_DISABLED:
        return function
    inlined: F = numba.njit(**{**BORROWED, "forceinline": True})(function)
    return inlined


def by_type(choose: Callable[..., Callable[..., Any]]) -> Callable[[F], F]:
    """Let the types of the arguments choose the code that is compiled in place of a call to the decorated function.

    choose : takes the numba types of the arguments and returns the Python function to compile, of the same signature.
    The decorated function itself is what runs when the JIT is off.
    """

    def decorate(function: F) -> F:
        if not JIT_DISABLED:

            @functools.wraps(function)
            def chooser(*args: Any) -> Callable[..., Any]:
                return choose(*args)

            options = {**BORROWED, "fastmath": FASTMATH, "forceinline": True}
            _overload(function, jit_options=options)(chooser)
        return function

    return decorate


def is_single(value_type: Any) -> bool:
    """Whether a numba type is float32."""
    return bool(value_type == numba.types.float32)


ir, cgutils, types, intrinsic, overload = _ir, _cgutils, numba.types, _intrinsic, _overload
"""What ``kernels/vectors.py``, ``kernels/lanes.py`` and ``kernels/gates.py`` write instructions with."""


def primitive(name: str, llvm_type: Any) -> Any:
    """A new type of value in compiled code, held as one value of the given LLVM type."""
    kind = type(name, (numba.types.Type,), {})

    class Model(_models.PrimitiveModel):
        def __init__(self, manager: Any, fe_type: Any) -> None:
            super().__init__(manager, fe_type, llvm_type)

    _register_model(kind)(Model)
    return kind(name)


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Let one process at a time compile: the others wait, then find the code in the cache."""
    with caches.alone(caches.places().kept):
        yield


def available_threads() -> int:
    """Threads that one run may use on this machine (NUMBA_NUM_THREADS, or its cores)."""
    return int(_config.NUMBA_NUM_THREADS)
