"""Discoveries of E^G as a study: a problem in, a Dataset out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mfsym.configurations.discoveries import SEARCHED
from mfsym.discovery.rules import discover as find
from mfsym.discovery.searches import Search
from mfsym.discovery.traces import symmetric_as_stated, trace
from mfsym.errors import MfsymError
from mfsym.experiments.setups import UNSTATED, setup_of
from mfsym.units import Unit

NAMED = ("unit", "activation")
"""Parameters of a reference problem other than its name; all others are fields of Search."""


def discover(problem: Any = UNSTATED, *former: Any, **parameters: Any) -> Any:
    """Find E^G from data without using the group, and keep the whole trace: what ``mfsym discover`` writes.

    problem : as ``simulate``; of quadratic loss.  parameters : rule ("robust", "paper", "oracle" or "paper-oracle"),
    known (whether the group of the unit is that of the data; None: as the problem states), unit and activation of a
    reference problem, a ``search``, or the fields of ``Search``: n, horizon, alpha, tau, beta, batch_size, delta, ...
    Returns the Dataset of ``discovery.traces.trace``: the subspaces E_0, E_1, ... over step with the measures of each,
    and the attributes dimension, angle, settled, verdict and reason.
    discover(unit, data, rule, search), with a Unit first, returns the Discovery as an object instead.
    """
    if isinstance(problem, Unit):
        return find(problem, *former, **parameters)
    asked: dict[str, Any] = {"rule": former[0] if former else "robust", "search": None, "known": None}
    asked |= {key: parameters.pop(key) for key in asked if key in parameters}
    names = tuple(each.name for each in fields(Search))
    sought = {key: parameters.pop(key) for key in names if key in parameters}
    found = setup_of(problem, None, parameters, known=(*NAMED, *names, *asked)).quadratic("discover")
    preferred = {key: value for key, value in found.problem.training.items() if key in SEARCHED}
    if asked["search"] is not None and sought:
        raise MfsymError(f"{next(iter(sought))} is stated by the search; leave it out")
    search = Search(**{**preferred, **sought}) if asked["search"] is None else asked["search"]
    data = found.problem.data
    known = symmetric_as_stated(data) if asked["known"] is None else bool(asked["known"])
    return trace(found.unit, data, asked["rule"], search, known=known)
