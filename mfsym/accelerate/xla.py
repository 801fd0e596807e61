"""The door to JAX, which is an extra: imported on first use, double precision only inside a context."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from mfsym.errors import MfsymError

INSTALL = "pip install 'mfsym[jax]'"
"""The command that installs the extra."""


def require_jax(what: str) -> Any:
    """The module jax; MfsymError that begins with ``what`` and says what to install if it is missing."""
    try:
        import jax
    except ImportError:
        raise MfsymError(f"{what} needs JAX: {INSTALL}") from None
    return jax


def local_devices(platform: str | None = None) -> list[Any]:
    """The devices of this process on a platform, [] if there are none; None for the platform that JAX prefers.

    MfsymError where that one has no devices, as where JAX_PLATFORMS names a platform without drivers.
    """
    jax = require_jax("a device")
    try:
        return list(jax.local_devices(backend=platform))
    except (RuntimeError, AssertionError) as error:
        if platform is not None and local_devices():
            return []
        reason = " ".join(str(error).split())[:160] or "no platform could be initialised"
        raise MfsymError(
            f"JAX must find a device: {reason}; set JAX_PLATFORMS to a platform that it has, such as cpu"
        ) from None


def in_double() -> AbstractContextManager[Any]:
    """A context in which JAX computes in double precision; the setting of the process stays as it is."""
    jax = require_jax("double precision")
    from jax import experimental

    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else getattr(experimental, "enable_x64")  # noqa: B009
    return enable(True)
