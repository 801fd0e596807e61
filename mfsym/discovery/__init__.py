"""Discovering E^G from data whose symmetry is not known: rules, what they run, how often they are right."""

from mfsym.discovery.rules import (
    CONTROL,
    FREE_NOISE,
    ORACLE_TOLERANCE,
    RULES,
    Discovery,
    Step,
    discover,
    judged,
    paper_oracle_step,
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
    "judged",
    "paper_oracle_step",
]
