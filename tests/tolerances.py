"""Every tolerance the tests use, by the reason it exists."""

ALGEBRA = 1e-10
"""Exact identities in float64, relative to the scale of what is compared."""

ROUNDOFF = 1e-12
"""A float64 kernel against its slow twin, relative."""

ROUNDOFF32 = 2e-5
"""A float32 kernel against its float64 twin, relative."""

FINITE_DIFFERENCE = 1e-6
"""Central differences against exact derivatives, relative."""

SLOPE = 0.3
"""A fitted order of convergence against the nominal one."""

STAT = 4.0
"""Largest |score| of a statistic at a fixed seed, in standard errors."""
