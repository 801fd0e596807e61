"""Distances of trained models: ``mfsym distance MODEL --arrays W1,W2``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mfsym.errors import MfsymError

if TYPE_CHECKING:
    from mfsym.units import Unit

Record = dict[str, Any]


def layer_records(model: str, other: str | None, given: dict[str, Any]) -> list[Record]:
    """One record per ``--arrays``: the distance of that layer to symmetric laws, or to the same layer of another model.

    MfsymError unless the unit is a uv unit, the arrays fit, and the inputs have the unit's dimension.
    """
    from mfsym.experiments import distance_between, distance_to
    from mfsym.stores.networks import load_arrays

    blocks = [_names(text) for text in given["arrays"]]
    depth, convention = len(blocks), given["convention"] or "torch"
    records = []
    for number, names in enumerate(blocks, start=1):
        cloud, *rest = (
            _cloud(load_arrays(source, names), convention, depth) for source in (model, other) if source is not None
        )
        beside: Record = {"layer": number} if depth > 1 else {}
        if rest:
            records.append(beside | distance_between(cloud, rest[0]))
        else:
            unit = _unit(given, biased=len(names) == 3)
            if cloud.shape[1] != unit.p:
                raise MfsymError(
                    f"--arrays make particles of {cloud.shape[1]} numbers, the unit has {unit.d} inputs and "
                    f"{unit.c} outputs; give --problem FILE whose [representations] have the dimensions of this "
                    "network (its [inputs] and [target] play no part), or another --convention"
                )
            draws = {"null": given["null"] or 0, "seed": given["seed"]}
            records.append(beside | distance_to(cloud, given["to"], unit, **draws))
    return records


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) not in (2, 3) or not all(names):
        raise MfsymError(f"--arrays must be W1,W2 or W1,W2,b1: the names of two weights and biases, got {text[:80]!r}")
    return names


def _cloud(arrays: list[Any], convention: str, depth: int) -> Any:
    """Particles (N, p) of one layer; in a residual network of depth L, v is multiplied by L, unless "math"."""
    from mfsym.data.networks import cloud_from_layers

    first, second, *rest = arrays
    scaled = second * depth if convention != "math" else second
    return cloud_from_layers(first, scaled, rest[0] if rest else None, convention)


def _unit(given: dict[str, Any], biased: bool) -> Unit:
    """The uv unit of the problem or the reference problem, with a constant input appended if there are biases."""
    from mfsym.data.networks import with_constant_input
    from mfsym.units import UVUnit

    if given["problem"] is not None:
        from mfsym.problems import load_problem

        unit = load_problem(given["problem"]).unit
    else:
        from mfsym.data.teachers import reference_unit

        unit = reference_unit(given["unit"] or "uv")
    if not isinstance(unit, UVUnit):
        raise MfsymError(f"--arrays make particles (u, v) of a uv unit, got a {unit.name} unit; use --unit uv")
    return with_constant_input(unit) if biased else unit
