"""Compiled code inside compiled code: every loop is optimised once, in the kernel that Python calls.

numba optimises a function on its own, makes machine code of it, and does both again inside every function that calls
it: a chain of six kernels optimises the innermost loop six times. A *part* is a function as its compiled callers take
it: it is translated and linked, and neither optimised nor made machine code of before the kernel that Python calls is.
So a function has two dispatchers, the one that Python calls, whose code is kept on disk, and its part.

A part must not touch Python objects (print, or arrays of objects): it has no environment. It may raise.

This leans on how numba holds code before it is machine code (its library of one function), which is no public
interface. The first time that a process compiles, a trial says whether it holds; where it does not, one warning says
so, and parts are compiled as any function is: slower to start, otherwise the same.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
from numba.core import codegen as _codegen
from numba.core.compiler import Compiler as _Compiler

from mfsym.runtime import caches


class _NoEnvironment:
    """The code generator of a part, which sets no environment: the part is nowhere in memory yet."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def set_env(self, env_name: str, env: Any) -> None:
        """Nothing to set."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)


@functools.cache
def _part_library() -> type:
    """numba's library of one function, without optimisation and machine code."""

    class PartLibrary(_codegen.JITCodeLibrary):
        def _optimize_functions(self, ll_module: Any) -> None:
            """The passes of numba over each function, which keep modules small, with one manager for all."""
            ll_module.data_layout = self._codegen._data_layout
            manager, builder = self._codegen._function_pass_manager()
            for function in ll_module.functions:
                if not function.is_declaration:
                    manager.run(function, builder)

        def _optimize_final_module(self) -> None:
            """Nothing: the kernel that Python calls is optimised with all its parts."""

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            """0: there is no machine code."""
            return 0

        @property
        def codegen(self) -> Any:
            return _NoEnvironment(self._codegen)

    return PartLibrary


class _Linked(_Compiler):
    """Compiles a function as a part."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(typingctx, targetctx, library, *rest)
        if library is None and self.wanted():
            self.state.library = _part_library()(targetctx.codegen(), "part")
            self.state.library.enable_object_caching()

    def wanted(self) -> bool:
        """Whether this is to be a part."""
        return True


class _LinkedWherePossible(_Linked):
    """Compiles a function as a part, or as any function where parts do not work."""

    def wanted(self) -> bool:
        return usable()


_NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

PART: dict[str, Any] = {**_NO_WRAPPERS, "pipeline_class": _LinkedWherePossible}
"""Options of a function that only compiled code calls."""


def _trial(options: dict[str, Any]) -> None:
    """Compile and run a function with a part that loops and may raise. Raises whatever goes wrong."""

    def add(total: Any, values: Any) -> Any:
        if len(values) > 4:
            raise ValueError("too long")
        for value in values:
            total += value
        return total

    part = numba.njit(**options, **_NO_WRAPPERS, pipeline_class=_Linked)(add)

    def whole(values: Any) -> Any:
        return part(1.0, values) + part(2.0, values[1:])

    found = numba.njit(**options)(whole)((1.0, 2.0))
    if found != 8.0:
        raise ArithmeticError(f"parts of 6 and 2 gave {found}")


@functools.cache
def usable() -> bool:
    """Whether this numba's code can be taken in parts; one warning where it cannot."""
    try:
        _trial({"_nrt": False, "error_model": "numpy", "fastmath": False, "forceinline": False})
    except Exception as error:
        caches.say(
            f"numba {numba.__version__} holds compiled code otherwise than mfsym expects ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:80]}): kernels take minutes to compile, once, and do the same"
        )
        return False
    return True


def with_part(compiled: Any, options: dict[str, Any]) -> Any:
    """Let compiled code that calls this function take its part; calls from Python take ``compiled`` itself."""
    part: Any = numba.njit(**options, **PART)(compiled.py_func)
    compiled.part = part
    compiled.get_call_template, compiled.get_overload = part.get_call_template, part.get_overload
    return compiled
