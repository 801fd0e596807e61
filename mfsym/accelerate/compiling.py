"""How kernels are compiled.

Two policies:

* ``kernel``: fast-math without ``nnan`` and ``ninf``. Sums may be reassociated, so loops vectorise, but a NaN
  stays a NaN: a diverged run is always seen.
* ``exact``: IEEE arithmetic in the written order, for code that certifies its result.

Under both, arrays are borrowed from the caller: packs hold dozens of them, and counting references to them at a call
often cost more than the function called. Borrowed code makes no arrays, returns none, and calls nothing that returns
one; ``kernel_allocating`` and ``exact_allocating`` may. numba refuses what makes arrays; a test looks for the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir as _ir  # type: ignore[import-untyped]
from numba import config as _config
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic as _intrinsic
from numba.extending import models as _models
from numba.extending import overload as _overload
from numba.extending import register_model as _register_model

from mfsym.accelerate.caching import cached
from mfsym.accelerate.parts import PART, with_part

F = TypeVar("F", bound=Callable[..., Any])

FASTMATH = {"contract", "reassoc", "arcp", "nsz", "afn"}
OWNED: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "forceinline": False, "_nrt": True}
"""Options of compiled code that makes arrays. All are named, because a function takes those that are not from whatever
is compiled around it when it is first called."""

BORROWED: dict[str, Any] = {**OWNED, "_nrt": False}
"""Options of compiled code that counts no references to its arrays."""

JIT_DISABLED = bool(_config.DISABLE_JIT)


def _compile(**options: Any) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        if JIT_DISABLED:
            return function
        compiled: Any = numba.njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
        kept: F = with_part(cached(compiled), options)
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
    return _inlined({**BORROWED, "fastmath": FASTMATH, "forceinline": True}, function)


def _inlined(options: dict[str, Any], function: F) -> F:
    inlined: F = with_part(numba.njit(**options)(function), options)
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
    return _inlined({**BORROWED, "forceinline": True}, function)


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

            options = {**BORROWED, "fastmath": FASTMATH, "forceinline": True, **PART}
            _overload(function, jit_options=options)(chooser)
        return function

    return decorate


def class_of(kind: Any) -> type:
    """The class of a NamedTuple, given itself or its numba type: what chooses code with the JIT on and off."""
    found: type = getattr(kind, "instance_class", type(kind))
    return found


def is_single(value_type: Any) -> bool:
    """Whether a numba type is float32."""
    return bool(value_type == numba.types.float32)


ir, cgutils, types, intrinsic, overload = _ir, _cgutils, numba.types, _intrinsic, _overload
"""What ``kernels/vectors.py``, ``kernels/gates.py`` and ``transport/kernels/lanes.py`` write instructions with."""


def primitive(name: str, llvm_type: Any) -> Any:
    """A new type of value in compiled code, held as one value of the given LLVM type."""
    kind = type(name, (numba.types.Type,), {})

    class Model(_models.PrimitiveModel):
        def __init__(self, manager: Any, fe_type: Any) -> None:
            super().__init__(manager, fe_type, llvm_type)

    _register_model(kind)(Model)
    return kind(name)


def available_threads() -> int:
    """Threads that one run may use on this machine (NUMBA_NUM_THREADS, or its cores)."""
    return int(_config.NUMBA_NUM_THREADS)
