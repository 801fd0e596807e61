"""Every tolerance the tests use, by the reason it exists."""

ALGEBRA = 1e-10
"""Exact identities in float64, relative to the scale of what is compared."""

ROUNDOFF = 1e-12
"""A float64 kernel against its slow twin, relative."""

FLAT = 1e-9
"""Means over a quadrature that are whole numbers or 0, absolute."""

SINGLE = 1e-6
"""One float32 computation by two libraries, relative."""

ROUNDOFF32 = 2e-5
"""A float32 kernel against its float64 twin, relative."""

FINITE_DIFFERENCE = 1e-6
"""Central differences against exact derivatives, relative."""

SLOPE = 0.3
"""A fitted order of convergence against the nominal one."""

STAT = 4.0
"""Largest |score| of a statistic at a fixed seed, in standard errors."""

ACTIVATION = 1e-14
"""Largest error of a float64 activation or slope, relative to max(1, |s|)."""

ACTIVATION32 = 2e-7
"""Largest error of a float32 activation, relative to max(1, |s|)."""

SLOPE32 = 3e-7
"""Largest error of the slope of a float32 activation: tanh's 1 - s^2 doubles the error of s."""

NORMAL = 1e-13
"""A float64 normal draw of the kernels against the definition, absolute (draws reach 6.8)."""

NORMAL32 = 2e-6
"""A float32 normal draw of the kernels against the definition, times the radius of its pair if below 1."""

P_VALUE = 6e-5
"""Smallest p-value accepted at a fixed seed: that of a score of STAT."""

SPLIT = 1e-8
"""A training that must leave a coincidence leaves it by more than this."""

SINGLE_SI = 1e-12
"""Largest RMD^2 to E^G of a float32 run that stays in E^G, symmetric teacher, N >= 50."""

SINGLE_SI_UNSTABLE = 1e-8
"""The same with the arbitrary teacher, where E^G is unstable and rounding grows along the run."""

POPULATION = 1e-8
"""Laws of the mean-field flow, integrated without sampling; absolute, on laws of size one."""

PRINTED = 5e-8
"""Half a unit of the last of seven printed digits."""

ITERATED = 1e-4
"""Projectors on subspaces that another package finds by iterations in single precision."""

INTEGRATED = 1e-6
"""Numbers that come out of two integrations in time or over inputs, or of the root of a difference; relative."""

EXACT_GEOMETRY = 1e-14
"""Projections and curvatures of single points, whose formulas are a few operations; absolute, on points of size one."""

STATIONARY = 3.0
"""Largest |score| of a stationary moment at a fixed seed, in standard errors."""

ENGINES = 1e-11
"""200 steps in float64 on two engines, or on one device and on several, relative to the largest particle."""

ENGINES32 = 2e-5
"""The same in float32."""
