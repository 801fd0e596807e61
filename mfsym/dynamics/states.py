"""What a dynamics needs to go on exactly: particles, the steps done, and the names of the streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class State:
    """All that is needed to go on exactly: particles, the number of steps done, and the names of the streams.

    z : (N, p) in the precision of the run; (L, N, p) for a residual network of L layers.
    status : "ok"; "diverged" since ``diverged_step`` steps were done; or "drifted": since ``drifted_step`` steps the
    particles are off E^G, which the scheme preserves, by the growth of rounding (``precision.LEFT``).
    projected : whether the start lies in E^G, so that noise is projected on it where the dynamics does not say.
    watched : whether the run ought to stay in E^G: it began there, under a scheme and noise that preserve it.
    """

    z: NDArray[np.floating]
    step: int = 0
    seed: int = 0
    replicate: int = 0
    status: str = "ok"
    diverged_step: int | None = None
    drifted_step: int | None = None
    projected: bool = False
    watched: bool = False

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.z.shape))
        run = f"seed {self.seed}, replicate {self.replicate}"
        return f"<State t = {self.time:g}, z {shape} {self.z.dtype}, {self.status}, {run}>"

    @property
    def time(self) -> float:
        """Mean-field time t = step / N."""
        return self.step / self.z.shape[-2]
