"""Devices of JAX by name, and what is shared between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mfsym.accelerate.xla import local_devices
from mfsym.errors import MfsymError


def devices_of(name: str | None) -> tuple[Any, ...]:
    """The devices of a platform ("cpu", "gpu"), one of them ("gpu:0"), or those that JAX prefers (None).

    MfsymError where there are none.
    """
    platform, _, number = (name or "").partition(":")
    found = local_devices(platform or None)
    chosen = tuple(device for device in found if not number or str(device.id) == number)
    if not chosen:
        known = ", ".join(f"{device.platform}:{device.id}" for device in local_devices())
        raise MfsymError(f"JAX must have the device {name!r}, got {known}; choose one of these, or install its driver")
    return chosen


def recomputes(devices: tuple[Any, ...]) -> bool:
    """Whether making values again is cheaper than memory: on all but CPUs, whose blocks stay in the cache."""
    return bool(devices[0].platform != "cpu")


def placed(array: Any, devices: tuple[Any, ...], axis: str) -> Any:
    """The array on its device, or with its first axis shared between several."""
    if len(devices) == 1:
        return jax.device_put(array, devices[0])
    return jax.device_put(array, NamedSharding(_mesh(devices, axis), PartitionSpec(axis)))


def sharded(run: Callable[..., Any], devices: tuple[Any, ...], axis: str) -> Callable[..., Any]:
    """``run`` on every device, with its share of the particles: (rows, chunk) -> (rows, steps, flag)."""
    shares, whole = PartitionSpec(axis), PartitionSpec()
    specs: dict[str, Any] = {"in_specs": (shares, whole), "out_specs": (shares, whole, whole)}
    if hasattr(jax, "shard_map"):
        mapping = partial(jax.shard_map, check_vma=False)
    else:
        from jax.experimental.shard_map import shard_map

        mapping = partial(shard_map, check_rep=False)
    return mapping(run, mesh=_mesh(devices, axis), **specs)


def _mesh(devices: tuple[Any, ...], axis: str) -> Mesh:
    return Mesh(np.array(devices), (axis,))
