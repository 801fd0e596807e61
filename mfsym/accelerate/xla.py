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


def in_double() -> AbstractContextManager[Any]:
    """A context in which JAX computes in double precision; the setting of the process stays as it is."""
    jax = require_jax("double precision")
    from jax import experimental

    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else getattr(experimental, "enable_x64")  # noqa: B009
    return enable(True)
