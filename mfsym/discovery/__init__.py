"""Discovery of E^G from data with unknown symmetry: rules, the trainings they run, and their success rates."""

from mfsym.discovery.rules import (
    CONTROL,
    FREE_NOISE,
    ORACLE_TOLERANCE,
    RULES,
    Discovery,
    Step,
    discover,
    paper_oracle_step,
    with_verdict,
)
from mfsym.discovery.searches import Search

__all__ = [
    "CONTROL",
    "FREE_NOISE",
    "ORACLE_TOLERANCE",
    "RULES",
    "Discovery",
    "Search",
    "Step",
    "discover",
    "paper_oracle_step",
    "with_verdict",
]
