"""From theory to code: statement, names in mfsym, the test that checks it. Sections are those of arXiv:2405.19995."""

ROWS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("unit $\\sigma_*(x, z)$, jointly equivariant", ("mfsym.Unit", "mfsym.UserUnit"), "laws/test_equivariance.py"),
    ("group $G$ with its Haar measure", ("mfsym.Group",), "laws/test_groups.py"),
    ("orthogonal actions $\\rho$, $\\hat\\rho$, $M$", ("mfsym.Representation",), "laws/test_catalogue_laws.py"),
    ("fixed subspace $E^G$, projector $P$", ("mfsym.Subspace",), "laws/test_fixed_subspaces.py"),
    (
        "model $\\Phi_\\mu = \\int \\sigma_*(\\cdot, z)\\,d\\mu(z)$",
        ("mfsym.Ensemble",),
        "laws/test_symmetrised_models.py",
    ),
    (
        "symmetrised law $\\mu^G$, and $\\Phi_{\\mu^G} = Q_G\\Phi_\\mu$",
        ("mfsym.symmetrised",),
        "laws/test_symmetrised_models.py",
    ),
    ("schemes DA, FA, EA (§2.2)", ("mfsym.Scheme", "mfsym.schemes.training"), "laws/test_finite_differences.py"),
    ("noisy SGD in mean-field time (§3)", ("mfsym.NoisySGD",), "laws/test_rounding.py"),
    ("mean-field limit: the Wasserstein gradient flow (§3)", ("mfsym.MeanFieldFlow",), "laws/test_limit.py"),
    (
        "from an SI start, DA = FA = EA step by step (§3.3)",
        ("mfsym.compare",),
        "laws/test_coincidence.py",
    ),
    ("orbit-closed clouds stay orbit-closed (§3.2)", ("mfsym.NoisySGD",), "laws/test_orbit_closure.py"),
    ("$W_2$ and RMD (§4)", ("mfsym.w2", "mfsym.rmd2"), "unit/transport/test_certificates.py"),
    ("distance to the SI laws, exact", ("mfsym.distance2_to_si", "mfsym.rmd2_si"), "unit/metrics/test_metrics.py"),
    (
        "distance to the WI laws: exact or between bounds",
        ("mfsym.distance_wi", "mfsym.w2_symmetrised"),
        "laws/test_transport_symmetry.py",
    ),
    ("$W_2$ modulo $G$ equals $W_2(\\mu^G, \\nu^G)$", ("mfsym.quotient_w2",), "laws/test_transport_symmetry.py"),
    ("population risk of the scheme's model", ("mfsym.risks", "mfsym.evaluate"), "laws/test_expectations.py"),
    ("discovery of $E^G$ from data (§4.2)", ("mfsym.Search", "mfsym.discover"), "laws/test_discovery.py"),
    ("SI laws can be strictly worse (proposition 4)", ("mfsym.si_against_wi",), "laws/test_counterexample.py"),
    ("convergence to the limit, rates", ("mfsym.converge", "mfsym.fit_slope"), "unit/experiments/test_convergence.py"),
    (
        "SGD noise on the quotient",
        ("mfsym.Quotient", "mfsym.Langevin"),
        "laws/test_orbit_noises.py",
    ),
)
"""Rows of the table: every name must import and every test must exist, or the build fails."""
