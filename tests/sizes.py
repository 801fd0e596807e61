"""Sizes of tests with the JIT on and off: kernels run as plain Python are some thousand times slower."""

from __future__ import annotations

from typing import TypeVar

import pytest

from mfsym.accelerate import JIT_DISABLED

T = TypeVar("T")

compiled = pytest.mark.skipif(JIT_DISABLED, reason="needs compiled kernels: minutes as plain Python")
"""Mark of tests that say nothing, or never end, with the JIT off."""


def sized(full: T, toy: T) -> T:
    """``full`` with compiled kernels, ``toy`` with the JIT off."""
    return toy if JIT_DISABLED else full
