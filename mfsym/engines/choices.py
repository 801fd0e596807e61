"""The choice of an engine by name; JAX is imported only where its engine is made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.accelerate import available_threads
from mfsym.accelerate.xla import require_jax
from mfsym.arguments import as_choice, as_plain, shown
from mfsym.configurations.names import ENGINES
from mfsym.engines.contract import Engine, Layers
from mfsym.engines.cpu import CpuEngine
from mfsym.engines.layers import CpuLayers
from mfsym.errors import MfsymError
from mfsym.units import Unit


def usable_engine(engine: Any) -> str:
    """The engine if it is a name in ENGINES and its packages are installed; MfsymError otherwise."""
    name = as_choice(as_plain(engine), "engine", ENGINES)
    if name == "jax":
        require_jax("engine 'jax'")
    return name


def as_engine(engine: Any, device: Any) -> tuple[str, str | None]:
    """The name of an engine in ENGINES, and the device of JAX by name; MfsymError for others, and without JAX."""
    name = usable_engine(engine)
    if device is not None and (not isinstance(device, str) or not device):
        raise MfsymError(f"device must be a name such as 'cpu', 'gpu' or 'gpu:0', or None, got {shown(device)}")
    if device is not None and name != "jax":
        raise MfsymError(f"a device is chosen for engine 'jax' only, got device {device!r} for engine {name!r}")
    return name, device


def make_engine(engine: str, unit: Unit, dtype: Any, threads: int = 1, device: str | None = None) -> Engine:
    """The engine of this name for particles of a unit.

    threads : of the engine "numba".  device : of the engine "jax", see ``NoisySGD``.
    MfsymError where JAX has no such device.
    """
    if engine == "numba":
        return CpuEngine(unit, dtype, threads)
    from mfsym.engines.jax import JaxEngine

    return JaxEngine(unit, dtype, device)


def runs_at_once(engine: str, device: str | None = None) -> int:
    """How many runs with this engine may go side by side in this process: one for each of its threads, or 1.

    Only runs of JAX on one device that is a CPU go side by side: such a run keeps hardly more than one core busy.
    MfsymError where JAX has no such device.
    """
    if engine == "numba":
        return 1
    from mfsym.engines.jax.devices import devices_of

    devices = devices_of(device)
    return available_threads() if len(devices) == 1 and devices[0].platform == "cpu" else 1


def make_layers(
    engine: str, unit: Unit, z: NDArray[np.floating], samples: int, noise_dimension: int, device: str | None = None
) -> Layers:
    """The layers z (L, N, p) of a residual network in the engine of this name; see ``CpuLayers``."""
    if engine == "numba":
        return CpuLayers(unit, z, samples, noise_dimension)
    from mfsym.engines.jax.layers import JaxLayers

    return JaxLayers(unit, z, samples, device)
