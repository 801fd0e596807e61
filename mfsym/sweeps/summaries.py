"""A summary of a sweep in words: what was run, what was found, what went wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.sweeps.charts import FLOOR, quartiles
from mfsym.typing import Floats

if TYPE_CHECKING:
    import xarray as xr

NAMED = ("scheme", "teacher", "init", "n", "replicate")
"""Dimensions with a fixed place in the sentence; the others are training parameters."""

SPOKEN = {
    "rmd2_si": "the relative distance to the strongly invariant laws (rmd2_si)",
    "rmd2_symmetrised": "the relative distance to the symmetrised law (rmd2_symmetrised)",
    "risk": "the risk",
}
"""Measures in the summary, with their wording."""


def _listed(values: Sequence[Any]) -> str:
    """'a, b and c'."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _counted(values: Sequence[Any], noun: str) -> str:
    """'the teacher wi' or '2 teachers (wi and si)'."""
    return f"the {noun} {values[0]}" if len(values) == 1 else f"{len(values)} {noun}s ({_listed(values)})"


def run_in(dataset: xr.Dataset) -> str:
    """What was run: schemes, teachers, starts, N, replicates and the training's parameters."""
    values = {str(name): list(dataset[name].values.tolist()) for name in dataset.dims if name in dataset}
    schemes = values["scheme"]
    text = f"{'The scheme' if len(schemes) == 1 else f'{len(schemes)} schemes'} ({_listed(schemes)}) "
    text += f"learned {_counted(values['teacher'], 'teacher')} from {_counted(values['init'], 'start law')}, "
    text += f"with N = {_listed(values['n'])} particles and {len(values['replicate'])} replicate"
    text += f"{'s' if len(values['replicate']) > 1 else ''}, under common random numbers."
    extra = [name for name in dataset.dims if name not in NAMED and name in dataset.coords and name != "other"]
    lists = [f"{name} = {_listed(values[str(name)])}" for name in extra if str(name) in values]
    training = _training(dataset)
    fixed = [f"{name} = {value}" for name, value in training.items() if name not in extra]
    if lists:
        text += f" Varied: {'; '.join(lists)}."
    return text + (f" Fixed: {', '.join(fixed)}." if fixed else "")


def _training(dataset: xr.Dataset) -> dict[str, Any]:
    """The table [training] of the configuration stored in the file; empty if there is none."""
    try:
        tables = json.loads(dataset.attrs.get("config", "{}"))
    except (TypeError, ValueError):
        return {}
    found = tables.get("training") if isinstance(tables, dict) else None
    return {key: value for key, value in found.items() if value not in ("", None)} if isinstance(found, dict) else {}


def found_in(dataset: xr.Dataset, names: Sequence[str]) -> list[str]:
    """What was found at the largest N, one sentence per measure of SPOKEN: the lowest and highest scheme in each panel.

    names : measures shown on the page.  Schemes whose quartile ranges overlap are named together.
    """
    if dataset.sizes["scheme"] < 2:
        return []
    last = dataset.isel(n=int(dataset["n"].values.argmax()))
    ranked = {name: _ranked(last, name) for name in names if name in SPOKEN}
    n = int(dataset["n"].values.max())
    return [f"At N = {n}, {SPOKEN[name]} is {text}." for name, text in ranked.items() if text]


Spread = dict[str, tuple[float, float, float]]


def _ranked(last: xr.Dataset, name: str) -> str:
    """The lowest and highest schemes of one measure; panels with the same schemes at both ends are grouped."""
    array = last[name]
    dims = [str(label) for label in array.dims if label not in ("scheme", "replicate")]
    array = array.transpose(*dims, "scheme", "replicate")
    schemes = [str(scheme) for scheme in last["scheme"].values]
    groups: dict[tuple[tuple[str, ...], ...], list[tuple[str, Spread]]] = {}
    for index in np.ndindex(*(array.sizes[label] for label in dims)):
        spread = _spreads(array.values[index], schemes)
        if len(spread) > 1:
            where = ", ".join(
                f"{label} is {_listed([last[label].values[k].item()])}"
                for label, k in zip(dims, index, strict=True)
                if last.sizes[label] > 1
            )
            ends = tuple(_alike(spread, lowest) for lowest in (True, False))
            groups.setdefault(ends, []).append((where, spread))
    phrases = []
    for (low, high), panels in groups.items():
        if low == high:
            phrase = f"about the same for {_listed(low)} ({_level(panels, low)}; quartiles overlap)"
        else:
            first, second = (f"{_listed(schemes)} ({_level(panels, schemes)})" for schemes in (low, high))
            phrase = f"lowest for {first} and highest for {second}"
        phrases.append(phrase + ("" if len(groups) == 1 else f" where {_listed_places(panels)}"))
    return "; ".join(phrases)


def _listed_places(panels: list[tuple[str, Spread]]) -> str:
    """'teacher is wi' or '(init is si, alpha is 5) or (init is wi, alpha is 5)'."""
    labels = [label for label, _ in panels]
    return labels[0] if len(labels) == 1 else " or ".join(f"({label})" if "," in label else label for label in labels)


def _spreads(panel: Floats, schemes: list[str]) -> Spread:
    """Maps each scheme to the quartiles of its finite values; smaller values are raised to FLOOR."""
    found = {scheme: quartiles(np.maximum(row, FLOOR)) for scheme, row in zip(schemes, panel, strict=True)}
    return {scheme: spread for scheme, spread in found.items() if spread is not None}


def _alike(spread: Spread, lowest: bool) -> tuple[str, ...]:
    """The scheme with the extreme median, and those whose quartile ranges overlap with its range."""
    end = (min if lowest else max)(spread, key=lambda scheme: spread[scheme][1])
    low, _, high = spread[end]
    return tuple(scheme for scheme in spread if spread[scheme][0] <= high and spread[scheme][2] >= low)


def _level(panels: list[tuple[str, Spread]], schemes: tuple[str, ...]) -> str:
    """The range of the schemes' medians over panels."""
    medians = [spread[scheme][1] for _, spread in panels for scheme in schemes]
    low, high = min(medians), max(medians)
    if high <= FLOOR:
        return "at rounding"
    return f"median {low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"medians {low:.2g} to {high:.2g}"


MEANINGS = {
    "diverged": "has no distances and is left out of charts and means",
    "drifted": "left E^G by the growth of rounding; its values are in charts and means",
}


def statuses_in(dataset: xr.Dataset) -> str:
    """A sentence on what diverged or drifted and at which grid values, or that every training ended well."""
    statuses = dataset["status"].astype(str)
    counts = Counter(statuses.values.ravel().tolist())
    if set(counts) == {"ok"}:
        return f"All {statuses.size} trainings ended well ({statuses.size} ok)."
    text = f"Of {statuses.size} trainings " + ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    for status in sorted(set(counts) - {"ok"}):
        hit = statuses == status
        over = {name: hit.any([dim for dim in hit.dims if dim != name]) for name in hit.dims if name != "replicate"}
        places = [
            f"{name} = {_listed(dataset[name].values[mask.values].tolist())}"
            for name, mask in over.items()
            if not mask.values.all()
        ]
        where = f"at {', '.join(places)}" if places else "at every value of the grid"
        text += f". What {status} ({where}) {MEANINGS.get(status, 'cannot be trusted')}"
    return f"{text}."
