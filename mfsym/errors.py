"""Errors for users: each message says what must hold, what was given, and what to do."""

from __future__ import annotations


class MfsymError(Exception):
    """Invalid input or a request that cannot be met; shown as one line, exit code 2."""

    exit_code = 2


class NotEquivariant(MfsymError):
    """A unit that is not jointly equivariant under its group.

    error : largest deviation |sigma(rho x, M z) - rho_hat sigma(x, z)| found.
    element : name of the group element where it was found.
    """

    def __init__(self, message: str, *, error: float, element: str) -> None:
        super().__init__(message)
        self.error = error
        self.element = element


class NotSymmetric(MfsymError):
    """A problem whose data are required to be symmetric under its group but are not."""

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
    """A transport problem that could not be solved with a certificate of optimality."""

    exit_code = 1


class StoreError(MfsymError):
    """A result folder or file that cannot be used: locked, corrupt, out of disk space or of another configuration."""

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
    """A request that is met differently or more slowly than expected; shown as one line."""
