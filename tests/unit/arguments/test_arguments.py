"""Numbers and arrays as people have them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mfsym.arguments import as_choice, as_floats, as_number, as_plain, as_times, as_whole, suggestions
from mfsym.errors import MfsymError


class Tensor:
    """As PyTorch's with a gradient: NumPy may read it only once it is detached."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def detach(self) -> Any:
        return np.asarray(self.values)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize(
    "values",
    [[1, 2], (1.0, 2.0), range(1, 3), np.array([1, 2], dtype=np.int8), np.array([1, 2], dtype=object)],
)
def test_sequences_of_numbers_are_arrays(values: Any) -> None:
    found = as_floats(values, "x")
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 2.0]


def test_arrays_pass_without_a_copy_and_keep_their_shape() -> None:
    z = np.zeros((2, 3))
    assert as_floats(z, "z") is z
    assert as_floats(5, "z").shape == ()
    assert as_floats(np.ma.masked_array([1.0, 2.0]), "z").tolist() == [1.0, 2.0]
    assert as_floats([Fraction(1, 2), np.float32(0.5)], "z").tolist() == [0.5, 0.5]
    assert as_floats(Tensor([1.0]), "z").tolist() == [1.0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ma.masked_values([1.0, 9.0], 9.0), "no masked entries, got 1"),
        (np.array([1 + 1j]), "must be real, got complex128"),
        ([1 + 0j], "must be real"),
        (["1", "2"], "must be numbers, got an array of dtype <U1"),
        (np.array([1, "2"], dtype=object), "'2' .str. among them"),
        (np.array([1, None], dtype=object), "None .NoneType. among them"),
        ([Decimal("1")], "Decimal"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "datetime64"),
        (np.zeros(2, dtype=[("a", float), ("b", float)]), "records with the fields a, b"),
        ([[1.0], [1.0, 2.0]], "must be an array of numbers, got list"),
    ],
)
def test_what_is_no_real_number_is_refused(values: Any, words: str) -> None:
    with pytest.raises(MfsymError, match=f"^the cloud .*{words}") as caught:
        as_floats(values, "the cloud")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3), np.array(3), np.uint8(3)])
def test_whole_numbers(value: Any) -> None:
    assert as_whole(value, "n") == 3
    assert type(as_whole(value, "n")) is int


@pytest.mark.parametrize(
    "value", [2.5, True, np.True_, "3", None, float("nan"), float("inf"), 3 + 0j, [3], np.array([3])]
)
def test_what_is_not_whole_is_refused(value: Any) -> None:
    with pytest.raises(MfsymError, match="n must be a whole number, got"):
        as_whole(value, "n")


def test_whole_numbers_have_a_range() -> None:
    assert as_whole(1, "n", least=1) == 1
    for bounds, words in (({"least": 2}, ">= 2"), ({"most": 0}, "<= 0"), ({"least": 2, "most": 4}, "from 2 to 4")):
        with pytest.raises(MfsymError, match=f"{words}, got 1"):
            as_whole(1, "n", **bounds)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), Fraction(1, 2)])
def test_numbers(value: Any) -> None:
    assert as_number(value, "alpha") == 0.5
    assert type(as_number(value, "alpha")) is float


@pytest.mark.parametrize("value", [True, "0.5", None, 1j, float("nan"), np.inf, [0.5]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(MfsymError, match="alpha must be"):
        as_number(value, "alpha")


@pytest.mark.parametrize("value", [np.timedelta64(5, "ns"), np.datetime64(5, "ns"), np.array(5, dtype="m8[s]")])
def test_dates_and_spans_are_no_numbers(value: Any) -> None:
    for door in (as_whole, as_number):
        with pytest.raises(MfsymError, match=r"^n must be a (whole )?number, got "):
            door(value, "n")
    assert as_plain(value) is value


def test_bounds_are_named_with_what_was_got() -> None:
    assert (as_number(0, "x", least=0.0), as_number(1e-9, "x", above=0.0)) == (0.0, 1e-9)
    for bounds, words in (({"least": 0.0}, ">= 0, got -1.0"), ({"above": -1.0}, "> -1, got -1.0")):
        with pytest.raises(MfsymError, match=f"^x must be a number {words}$"):
            as_number(-1, "x", **bounds)
    with pytest.raises(MfsymError, match="x must be finite, got inf"):
        as_number(10**400, "x")
    with pytest.raises(MfsymError, match=r"^x must be a whole number >= 1, got 0\.5 \(float\)$"):
        as_whole(0.5, "x", 1, 2**63)
    with pytest.raises(MfsymError, match=r"^x must be a whole number <= 9223372036854775808, got one of more than 40"):
        as_whole(10**5000, "x", 1, 2**63)
    with pytest.raises(
        MfsymError, match=r"^x must be a number, got array\(\[\[1., 1., 1.\], \[1., 1., 1.\]\]\) .ndarray.$"
    ):
        as_number(np.ones((2, 3)), "x")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.logspace(0, 1, 2), [1.0, 10.0]),
        (range(2), [0, 1]),
        ((np.int8(1), np.str_("a"), None), [1, "a", None]),
        (np.longdouble(0.5), 0.5),
        (np.array("wi"), "wi"),
        (np.dtype("float32"), "float32"),
        (float, float),
        ("wi", "wi"),
        ({1}, {1}),
    ],
    ids=repr,
)
def test_what_is_not_plain_becomes_so(value: Any, plain: Any) -> None:
    found = as_plain(value)
    assert found == plain
    items = found if isinstance(found, list) else [found]
    assert not any(isinstance(item, np.generic) and not isinstance(item, np.longdouble) for item in items)


def test_choices_name_all_and_the_nearest_whatever_its_case() -> None:
    assert as_choice(np.str_("fa"), "scheme", ("fa", "da")) == "fa"
    for value, end in (
        ("FA", "got 'FA' .did you mean 'fa'"),
        ("q", "got 'q'$"),
        (5, "got 5 .int.$"),
        (None, "got None"),
    ):
        with pytest.raises(MfsymError, match=f"^scheme must be one of vanilla, fa, {end}"):
            as_choice(value, "scheme", ("vanilla", "fa"))
    assert suggestions("alhpa", ("tau", "alpha")) == " (did you mean 'alpha'?); known: alpha, tau"


def test_times_may_be_any_sequence_or_come_one_by_one() -> None:
    assert as_times(np.linspace(0, 1, 3)) == [0.0, 0.5, 1.0]
    assert list(as_times(iter([np.int64(1), 0]))) == [1.0, 0]
    for times, words in (
        ([0, True], "got True"),
        ({0}, "must be a sequence"),
        ([1, 0], "must increase, got 0 after 1"),
    ):
        with pytest.raises(MfsymError, match=words):
            as_times(times)
