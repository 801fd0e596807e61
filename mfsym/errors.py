"""Errors that speak to the user: what must hold, what was got, what to do."""

from __future__ import annotations


class MfsymError(Exception):
    """A request that cannot be met as stated; shown as one line, exit code 2."""

    exit_code = 2


class NotEquivariant(MfsymError):
    """A unit that is not jointly equivariant under the group it was given.

    error : largest deviation |sigma(rho x, M z) - rho_hat sigma(x, z)| that was seen.
    element : name of the group element where it was seen.
    """

    def __init__(self, message: str, *, error: float, element: str) -> None:
        super().__init__(message)
        self.error = error
        self.element = element


class NotSymmetric(MfsymError):
    """A problem whose data are not symmetric under its group, where that was asked for."""

    exit_code = 1


class Diverged(MfsymError):
    """A run whose particles or predictions stopped being finite.

    step : first step whose result was not finite.
    """

    exit_code = 1

    def __init__(self, message: str, *, step: int) -> None:
        super().__init__(message)
        self.step = step


class TransportFailed(MfsymError):
    """A transport problem that could not be solved to its certificate."""

    exit_code = 1


class StoreError(MfsymError):
    """A result folder or file that cannot be used: locked, corrupt, full or of another configuration."""

    exit_code = 3


class SweepIncomplete(MfsymError):
    """A sweep that ended with failed, diverged or missing cells.

    missing : the identities of those cells.
    """

    exit_code = 1

    def __init__(self, message: str, *, missing: tuple[str, ...]) -> None:
        super().__init__(message)
        self.missing = missing


class MfsymWarning(UserWarning):
    """Something that works otherwise than asked, or slower; shown as one line."""
