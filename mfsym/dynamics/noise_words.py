"""What noise trainings feel, in words: for the attributes of results."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable

from mfsym.configurations.names import ORBIT_NOISES
from mfsym.ensembles import INSIDE
from mfsym.schemes import SCHEMES, AnyScheme, name_of


def noise_of(
    inits: Iterable[str],
    schemes: Iterable[AnyScheme],
    noises: Iterable[str] = ("auto",),
    inside: Container[str] = INSIDE,
) -> str:
    """What noise trainings feel: "projected" on E^G, "isotropic" or modulo the group, and for whom if not all agree.

    noises : "auto" projects from starts in E^G, "fixed" from any, "isotropic" from none, noise modulo the group
    (ORBIT_NOISES) keeps its name; schemes with a projector always project.
    inside : the names of the starts that lie in E^G.

    >>> noise_of(["si"], ["fa", "ea"])
    'projected'
    >>> noise_of(["si", "wi"], ["fa", "ea"])
    'si: projected; wi: isotropic, projected for ea'
    >>> noise_of(["wi"], ["fa"], ["auto", "fixed"])
    'auto: isotropic; fixed: projected'
    """
    found = {name_of(each): SCHEMES[each] if isinstance(each, str) else each for each in schemes}
    starts, kinds, phrases = list(inits), list(noises), dict[str, str]()
    projecting = [name for name, scheme in found.items() if scheme.projects]
    aside = f", projected for {', '.join(projecting)}" if projecting else ""
    for noise, init in itertools.product(kinds, starts):
        fixed = noise == "fixed" or (noise == "auto" and init in inside) or len(projecting) == len(found)
        where = " ".join([noise] * (len(kinds) > 1) + [init] * (len(starts) > 1))
        free = noise if noise in ORBIT_NOISES else "isotropic"
        phrases[where] = "projected" if fixed else free + aside
    if len(phrases) == 1:
        return next(iter(phrases.values()))
    return "; ".join(f"{where}: {phrase}" for where, phrase in phrases.items())
