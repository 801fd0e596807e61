"""Whole programs and sweeps: they say nothing about lines run in this process, and take hours as plain Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfsym.accelerate import JIT_DISABLED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if JIT_DISABLED:
        here = Path(__file__).parent
        for item in items:
            if item.path.is_relative_to(here):
                item.add_marker(pytest.mark.skip(reason="whole programs take hours with kernels as plain Python"))
