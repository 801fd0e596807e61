"""Where the group enters training, and how a model is read over the orbit of its input."""

from mfsym.engines.contract import LiftedBatches
from mfsym.schemes.orbits import Model, Orbit
from mfsym.schemes.training import (
    HAAR_DRAWS,
    SCHEMES,
    DataAugmentation,
    EquivariantArchitecture,
    FeatureAveraging,
    SampledDataAugmentation,
    Scheme,
    get_scheme,
)

__all__ = [
    "HAAR_DRAWS",
    "SCHEMES",
    "DataAugmentation",
    "EquivariantArchitecture",
    "FeatureAveraging",
    "LiftedBatches",
    "Model",
    "Orbit",
    "SampledDataAugmentation",
    "Scheme",
    "get_scheme",
]
