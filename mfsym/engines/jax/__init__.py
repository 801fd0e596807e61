"""The engine in JAX, for accelerators: imported only where ``engine="jax"`` is asked for."""

from mfsym.engines.jax.engine import JaxEngine

__all__ = ["JaxEngine"]
