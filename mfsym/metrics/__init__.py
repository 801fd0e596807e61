"""Measures of a trained ensemble: the distance of its law from symmetric laws, and the accuracy of its model."""

from mfsym.metrics.laws import (
    Interval,
    distance2_to_si,
    distance_wi,
    rmd2_si,
    rmd2_symmetrised,
    rmd2_symmetrised_estimate,
    w2_symmetrised,
)
from mfsym.metrics.risks import Evaluation, accuracy, evaluate, integrands, objective, risks

__all__ = [
    "Evaluation",
    "Interval",
    "accuracy",
    "distance2_to_si",
    "distance_wi",
    "evaluate",
    "integrands",
    "objective",
    "risks",
    "rmd2_si",
    "rmd2_symmetrised",
    "rmd2_symmetrised_estimate",
    "w2_symmetrised",
]
