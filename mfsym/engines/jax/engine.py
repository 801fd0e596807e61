"""The engine in JAX; implements ``Engine``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.accelerate.xla import in_double
from mfsym.engines.contract import LiftedBatches, StepParameters
from mfsym.engines.jax.devices import devices_of, placed, recomputes
from mfsym.engines.jax.loops import AXIS, compiled
from mfsym.engines.jax.memory import explained
from mfsym.engines.jax.plans import Blocks, JaxChunk, JaxPlan, chunk_of, is_plain, layout_of, pattern
from mfsym.engines.jax.tiles import fits, has_tiles, run_pieces, tile_layout
from mfsym.engines.jax.units import outputs_of
from mfsym.streams import LANES
from mfsym.units import Unit


class JaxEngine:
    """One ensemble on the devices of JAX; implements ``Engine``.

    unit : the Unit of the particles.
    dtype : precision of the run.
    device : a platform, whose devices share the particles, or a device, by name; None for what JAX prefers.
    """

    def __init__(self, unit: Unit, dtype: Any, device: str | None = None) -> None:
        self.unit, self.dtype = unit, np.dtype(dtype)
        self.devices = devices_of(device)
        self._outputs = outputs_of(unit)
        self._rows: Any = None
        self.finite = True

    def load(self, z: NDArray[np.floating]) -> None:
        """Set the particles z (N, p)."""
        with np.errstate(over="ignore"):
            self._given = np.array(z, self.dtype)
        self._rows = None
        self.finite = bool(np.isfinite(self._given).all())

    def advance(self, batches: LiftedBatches, parameters: StepParameters) -> int:
        """Make the S steps of the batches; returns the steps done until the state stopped being finite, or S."""
        chunk = chunk_of(batches, parameters, self.dtype)
        quiet = not chunk.noise_map.size or not chunk.rates[:, 1].any()
        with in_double(), explained(self.devices[0], self._sizes(chunk), self.dtype.itemsize):
            if self._rows is None:
                self._place(chunk.x.shape[1])
            plan = JaxPlan(
                self._outputs,
                len(self._given),
                self._places.layout,
                self.dtype.name,
                parameters.loss,
                is_plain(batches, parameters.loss),
                pattern(chunk.projector) if chunk.projector.size else None,
                None if quiet else pattern(chunk.noise_map),
                recomputes(self.devices),
            )
            run = partial(run_pieces, plan) if self._tiled else compiled(plan, self.devices)
            self._rows, done, finite = run(self._rows, chunk)
            self.finite = bool(finite)
        return int(done)

    def _sizes(self, chunk: JaxChunk) -> str:
        """The sizes that decide how much memory a step takes."""
        return f"N = {len(self._given)} particles of {self.unit.p} numbers and B = {chunk.x.shape[1]} samples"

    def particles(self) -> NDArray[np.floating]:
        """The particles (N, p), in the precision of the run."""
        if self._rows is None:
            return self._given.copy()
        return self._places.unpacked(self._rows)

    def _place(self, samples: int) -> None:
        """Bring the particles to the devices, in blocks for so many samples of a step."""
        width, item = samples * self._outputs.width, self.dtype.itemsize
        self._tiled = has_tiles(self.devices) and fits(self._outputs, self.unit.p, self.dtype, samples)
        if self._tiled:
            layout = tile_layout(len(self._given))
        else:
            layout = layout_of(len(self._given), width, item, len(self.devices), self.devices[0].platform)
        self._places = ParticlePlaces(len(self._given), self.unit.p, layout, self.devices)
        self._rows = self._places.packed(self._given)


@dataclass(frozen=True)
class ParticlePlaces:
    """Where the particles lie: n of p parameters, as a layout says, on devices."""

    n: int
    p: int
    layout: Blocks
    devices: tuple[Any, ...]

    def packed(self, z: NDArray[np.floating]) -> Any:
        """Particles z (n, p) as p arrays (blocks, 2, lanes) on the devices, zero beyond the last."""
        whole = np.zeros((2 * self.layout.length, self.p), z.dtype)
        whole[: self.n] = z
        groups = whole.reshape(-1, self.layout.lanes // LANES, 2, LANES, self.p).transpose(4, 0, 2, 1, 3)
        rows = np.ascontiguousarray(groups).reshape(self.p, -1, 2, self.layout.lanes)
        return tuple(placed(row, self.devices, AXIS) for row in rows)

    def unpacked(self, rows: Any) -> NDArray[np.floating]:
        """The particles (n, p) again."""
        found = np.stack([np.asarray(row) for row in rows]).reshape(self.p, -1, 2, self.layout.lanes // LANES, LANES)
        return np.ascontiguousarray(found.transpose(1, 3, 2, 4, 0).reshape(-1, self.p)[: self.n])
