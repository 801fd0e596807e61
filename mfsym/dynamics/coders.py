"""Encoders and decoders that are mean-field ensembles: what they are, how they are read, and how they run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_number
from mfsym.configurations.names import AUTO
from mfsym.dynamics.noises import NOISES, Noise, noise_name
from mfsym.dynamics.precision import starts_in
from mfsym.engines.contract import StepParameters, with_exact_zeros
from mfsym.engines.dense import DenseLayer, check_dense
from mfsym.errors import MfsymError
from mfsym.schemes import AnyScheme, Scheme, get_scheme
from mfsym.typing import Floats
from mfsym.units import Unit

PLAIN_NOISES = (AUTO, "isotropic", "fixed")


class Coder:
    """An encoder or a decoder: x -> Phi(gain x) of an ensemble of uv units, read by a scheme.

    unit : a UVUnit. Its group acts on the inputs and outputs of this map alone.
    scheme : "vanilla", "fa", "ea", or one's own that does not change samples.
    gain : factor of the inputs; preactivations u.(gain x) / d are of order |u_k| for gain = sqrt(d) / rms(x).
    noise : "isotropic", "fixed" or "auto", as in ``NoisySGD``.
    """

    def __init__(self, unit: Unit, scheme: AnyScheme = "vanilla", *, gain: float = 1.0, noise: str = AUTO) -> None:
        check_dense(unit)
        self.unit, self.scheme = unit, get_scheme(scheme, unit)
        self.gain = as_number(gain, "gain", above=0.0)
        if self.scheme.readout is None and type(self.scheme).lift is not Scheme.lift:
            raise MfsymError(
                f"the scheme of an encoder or decoder must leave samples as they are, got {self.scheme.name}; "
                "move the pairs instead, or choose vanilla, fa or ea"
            )
        if noise_name(noise) not in PLAIN_NOISES:
            raise MfsymError(f"noise of an encoder or decoder must be isotropic or fixed, got {noise!r}")
        self.projector = self.scheme.projector
        self.noise_name = noise if self.projector is None else "fixed"

    def __repr__(self) -> str:
        return f"<Coder {self.scheme.name!r} of {self.unit!r}, gain {self.gain:g}>"

    def __call__(self, x: ArrayLike, z: ArrayLike) -> Floats:
        """The map at x (M, d) for particles z (N, p): (M, c), float64."""
        return self.scheme.read(self.gain * as_floats(x, "x"), z)

    def start(self, z: ArrayLike, dtype: Any) -> NDArray[np.floating]:
        """Particles (N, p) as this scheme begins with them."""
        given = as_floats(z, "particles")
        if given.ndim != 2 or len(given) < 1 or given.shape[1] != self.unit.p:
            raise MfsymError(f"particles must be an array (N, {self.unit.p}) with N >= 1, got shape {given.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            return self.scheme.particles(given).astype(dtype)

    def begins_fixed(self, z: NDArray[np.floating]) -> bool:
        """Whether a start lies in E^G, to rounding: then noise is projected on E^G by default."""
        return self.noise_name == AUTO and starts_in(z, self.unit.fixed_subspace)

    def noise(self, projected: bool) -> Noise:
        """What noise a run feels; projected : whether it began in E^G."""
        automatic = "fixed" if projected else "isotropic"
        return NOISES[automatic if self.noise_name == AUTO else self.noise_name]

    def step_parameters(
        self, rates: Floats, tau: float, key: NDArray[np.uint32], first_step: int, projected: bool
    ) -> StepParameters:
        """The parameters of the steps from first_step on, with rates (S, 2) of force and noise; float64."""
        noise_map = np.zeros((self.unit.p, 0))
        if rates[:, 1].any():
            noise_map = with_exact_zeros(self.noise(projected).matrix(self.unit.fixed_subspace))
        projector = np.zeros((0, 0)) if self.projector is None else with_exact_zeros(self.projector)
        return StepParameters(rates, np.array([2.0 * tau]), projector, noise_map, key, first_step)


class RunningCoder:
    """A coder with its particles, while they move: forward, pulled back, and moved.

    samples : largest number of inputs of one step.  parameters : of all steps, in the precision of the run.
    """

    def __init__(
        self, coder: Coder, z: NDArray[np.floating], samples: int, parameters: StepParameters, threads: int = 1
    ) -> None:
        self.gain, self.orbit, self.parameters = coder.gain, coder.scheme.readout, parameters
        self.nodes = 1 if self.orbit is None else len(self.orbit.weights)
        self.layer = DenseLayer(coder.unit, z, self.nodes * samples, parameters.noise_map.shape[1], threads)

    def forward(self, x: Floats, first: int = 0) -> Floats:
        """The map at x (M, d), which become the inputs first, first + 1, ... of this step: (M, c)."""
        if self.orbit is None:
            return self.layer.forward(self.gain * x, first)
        images = (self.gain * x) @ self.orbit.nodes_x.transpose(0, 2, 1)
        phi = self.layer.forward(images.reshape(-1, x.shape[1]), first * self.nodes)
        return np.tensordot(self.orbit.weights, phi.reshape(self.nodes, len(x), -1) @ self.orbit.nodes_y, 1)

    def pull(self, r: Floats, first: int = 0, *, down: bool = True) -> Floats:
        """The pullback (M, d) of r (M, c) to the inputs first, first + 1, ...; with no rows unless ``down``."""
        if self.orbit is None:
            return self.gain * self.layer.pull(r, first, down=down)
        lifted = self.orbit.weights[:, None, None] * (r @ self.orbit.nodes_y.transpose(0, 2, 1))
        slopes = self.layer.pull(lifted.reshape(-1, r.shape[1]), first * self.nodes, down=down)
        return self.gain * (slopes.reshape(self.nodes, -1, slopes.shape[1]) @ self.orbit.nodes_x).sum(axis=0)

    def move(self, s: int) -> bool:
        """Make step s of the parameters; whether the particles stay finite."""
        return self.layer.move(self.parameters, s)
