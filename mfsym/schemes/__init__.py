"""Where the group enters training, and how a model is read over the orbit of its input."""

from mfsym.engines.contract import LiftedBatches
from mfsym.schemes.marks import Mark, marks_for
from mfsym.schemes.orbits import Model, Orbit
from mfsym.schemes.training import (
    HAAR_DRAWS,
    SCHEMES,
    AnyScheme,
    DataAugmentation,
    EquivariantArchitecture,
    FeatureAveraging,
    SampledDataAugmentation,
    Scheme,
    get_scheme,
    marks_of,
    name_of,
)

__all__ = [
    "HAAR_DRAWS",
    "SCHEMES",
    "AnyScheme",
    "DataAugmentation",
    "EquivariantArchitecture",
    "FeatureAveraging",
    "LiftedBatches",
    "Mark",
    "Model",
    "Orbit",
    "SampledDataAugmentation",
    "Scheme",
    "get_scheme",
    "marks_for",
    "marks_of",
    "name_of",
]
