"""The engine in JAX; implements ``Engine``."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from mfsym.engines.contract import LiftedBatches, StepParameters
from mfsym.engines.jax.devices import devices_of, wide_numbers
from mfsym.engines.jax.loops import compiled
from mfsym.engines.jax.memory import explained
from mfsym.engines.jax.plans import JaxPlan, chunk_of, half_length, is_plain, pattern
from mfsym.engines.jax.units import outputs_of
from mfsym.streams import LANES
from mfsym.units import Unit


class JaxEngine:
    """One ensemble on the devices of JAX; implements ``Engine``.

    unit : the Unit of the particles.
    dtype : precision of the run.
    device : a platform or a device by name, None for what JAX prefers.
    """

    def __init__(self, unit: Unit, dtype: Any, device: str | None = None) -> None:
        self.unit, self.dtype = unit, np.dtype(dtype)
        self.devices = devices_of(device)
        self._outputs = outputs_of(unit)
        self.finite = True

    def load(self, z: NDArray[np.floating]) -> None:
        """Set the particles z (N, p)."""
        given = np.asarray(z, self.dtype)
        self._n = len(given)
        length = half_length(self._n)
        whole = np.zeros((2 * length, self.unit.p), self.dtype)
        whole[: self._n] = given
        halves = np.ascontiguousarray(whole.reshape(-1, 2, LANES, self.unit.p).transpose(1, 3, 0, 2))
        with wide_numbers():
            self._halves = tuple(
                tuple(jax.device_put(row.reshape(-1), self.devices[0]) for row in half) for half in halves
            )
        self.finite = bool(np.isfinite(given).all())

    def advance(self, batches: LiftedBatches, parameters: StepParameters) -> int:
        """Make the S steps of the batches; returns the steps done until the state stopped being finite, or S."""
        chunk = chunk_of(batches, parameters, self.dtype)
        quiet = not chunk.noise_map.size or not chunk.rates[:, 1].any()
        plan = JaxPlan(
            self._outputs,
            self.unit.p,
            self.unit.c,
            self._n,
            len(self._halves[0][0]),
            self.dtype.name,
            parameters.loss,
            is_plain(batches, parameters.loss),
            pattern(chunk.projector) if chunk.projector.size else None,
            None if quiet else pattern(chunk.noise_map),
        )
        with wide_numbers(), explained(self.devices[0], self._sizes(batches), self.dtype.itemsize):
            self._halves, done, finite = compiled(plan)(self._halves, chunk)
        self.finite = bool(finite)
        return int(done)

    def _sizes(self, batches: LiftedBatches) -> str:
        """The sizes that decide how much memory a step takes."""
        samples = batches.x.shape[1] * batches.x.shape[2]
        return f"N = {self._n} particles of {self.unit.p} numbers and B = {samples} samples"

    def particles(self) -> NDArray[np.floating]:
        """The particles (N, p), in the precision of the run."""
        halves = np.stack([np.stack([np.asarray(row) for row in half]) for half in self._halves])
        z = halves.reshape(2, self.unit.p, -1, LANES).transpose(2, 0, 3, 1).reshape(-1, self.unit.p)
        return np.ascontiguousarray(z[: self._n])
