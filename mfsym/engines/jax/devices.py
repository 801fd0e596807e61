"""Devices of JAX by name, and 64-bit numbers for the engine alone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import jax
from jax import experimental

from mfsym.accelerate.xla import local_devices
from mfsym.errors import MfsymError


def wide_numbers() -> AbstractContextManager[Any]:
    """A context in which arrays of JAX may have 64 bits; the user's setting is left as it is."""
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else getattr(experimental, "enable_x64")  # noqa: B009
    return enable(True)


def devices_of(name: str | None) -> list[Any]:
    """The devices of a platform ("cpu", "gpu"), one of them ("gpu:0"), or those that JAX prefers (None).

    MfsymError where there are none.
    """
    platform, _, number = (name or "").partition(":")
    found = local_devices(platform or None)
    chosen = [device for device in found if not number or str(device.id) == number]
    if not chosen:
        known = ", ".join(f"{device.platform}:{device.id}" for device in local_devices())
        raise MfsymError(f"JAX must have the device {name!r}, got {known}; choose one of these, or install its driver")
    return chosen
