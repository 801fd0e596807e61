"""Single-layer units: the matrix unit of the reference experiment, and the uv unit."""

from __future__ import annotations

import numpy as np

from mfsym.kernels.units import predict
from mfsym.representations import Representation, hom
from mfsym.typing import Floats
from mfsym.units.activations import pointwise
from mfsym.units.base import Unit


class ShallowUnit(Unit):
    """A unit that the kernels know by its code alone, unless its activation or a method is one's own."""

    @property
    def compiled(self) -> bool:
        known = isinstance(self.pointwise, str)
        return known and any(self._computes_as(each) for each in (MatrixUnit, UVUnit))

    def _predict(self, x: Floats, z: Floats) -> Floats:
        if not self.compiled:
            return super()._predict(x, z)
        return np.asarray(predict(self.code, self.activation_code, x, z, self.c))


class MatrixUnit(ShallowUnit):
    """sigma(x, z) = s(z x), z a (c, d) matrix stored row by row, s pointwise; M_g z = rho_hat_g z rho_g^T.

    Jointly equivariant iff s commutes with every rho_hat_g: rho is arbitrary and rho_hat a permutation representation
    (signed permutations for odd s, any orthogonal one for the identity).
    """

    name = "matrix"
    code = 0
    advice = "rho_y must be a permutation (signed for odd activations); use the uv unit for other actions on outputs"

    def _induced_action(self) -> Representation:
        return hom(self.rho_x, self.rho_y)

    def _preactivation(self, x: Floats, z: Floats) -> Floats:
        return (x @ z.reshape(-1, self.d).T).reshape(x.shape[0], -1, self.c)

    def _sigma(self, x: Floats, z: Floats) -> Floats:
        return pointwise(self.pointwise)[0](self._preactivation(x, z))

    def _pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        slope = pointwise(self.pointwise)[1](self._preactivation(x, z))
        weighted = (slope * r[:, None, :]).reshape(x.shape[0], -1)
        return np.asarray((weighted.T @ x).reshape(-1, self.p))


class UVUnit(ShallowUnit):
    """sigma(x, (u, v)) = v s(u.x / d), z = (u, v) in R^d x R^c; M_g(u, v) = (rho_g u, rho_hat_g v).

    Jointly equivariant for every orthogonal rho and rho_hat.
    """

    name = "uv"
    code = 1

    def kernel_inputs(self, x: Floats) -> Floats:
        return x / self.d

    def _induced_action(self) -> Representation:
        return self.rho_x + self.rho_y

    def _preactivation(self, x: Floats, z: Floats) -> Floats:
        return x @ z[:, : self.d].T / self.d

    def _sigma(self, x: Floats, z: Floats) -> Floats:
        return pointwise(self.pointwise)[0](self._preactivation(x, z))[:, :, None] * z[:, self.d :]

    def _pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        value, slope = (function(self._preactivation(x, z)) for function in pointwise(self.pointwise))
        inner = slope * (r @ z[:, self.d :].T) / self.d
        return np.hstack([inner.T @ x, value.T @ r])
