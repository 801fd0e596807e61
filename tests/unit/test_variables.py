"""The data dictionary refuses what it does not declare and documents what it does."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mfsym.errors import MfsymError
from mfsym.variables import VARIABLES, annotate, check_name, validate


def _dataset(**variables: tuple[tuple[str, ...], np.ndarray]) -> xr.Dataset:
    return xr.Dataset(dict(variables))


def test_every_variable_says_what_it_is() -> None:
    for name, entry in VARIABLES.items():
        assert entry.name == name
        assert entry.doc
        assert entry.units
        check_name(name, "dictionary")


def test_annotate_fills_the_attributes_of_declared_variables() -> None:
    dataset = annotate(_dataset(risk=(("n",), np.zeros(2)), n=(("n",), np.array([5, 10]))))
    assert dataset["risk"].attrs == VARIABLES["risk"].attrs()
    assert dataset["n"].attrs["long_name"].startswith("number N")


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (_dataset(nonsense=(("n",), np.zeros(2))), "'nonsense' is not in the data dictionary"),
        (_dataset(risk=(("elsewhere",), np.zeros(2))), "dimension 'elsewhere'"),
        (_dataset(risk=(("n",), np.zeros(2, dtype=int))), "risk must be of kind float"),
        (_dataset(particles=(("param", "particle"), np.zeros((2, 2)))), "must end in dimensions"),
        (_dataset(status=(("n",), np.array(["fine"]))), "status must be one of"),
    ],
)
def test_validate_refuses_and_names_the_variable(dataset: xr.Dataset, words: str) -> None:
    with pytest.raises(MfsymError, match=words):
        validate(dataset)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "x" * 65, "é", "a\n"])
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(MfsymError, match="names must match"):
        check_name(name, "test")
