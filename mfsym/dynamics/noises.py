"""What noise trainings feel, in words: for the attributes of results."""

from __future__ import annotations

from collections.abc import Container, Iterable

from mfsym.ensembles import INSIDE
from mfsym.schemes import SCHEMES, AnyScheme, name_of


def noise_of(inits: Iterable[str], schemes: Iterable[AnyScheme], inside: Container[str] = INSIDE) -> str:
    """What noise trainings feel: "projected" on E^G from starts in it and for schemes that project, else "isotropic".

    inside : the names of the starts that lie in E^G.

    >>> noise_of(["si"], ["fa", "ea"])
    'projected'
    >>> noise_of(["si", "wi"], ["fa", "ea"])
    'si: projected; wi: isotropic, projected for ea'
    """
    found = {name_of(each): SCHEMES[each] if isinstance(each, str) else each for each in schemes}
    projecting = [name for name, scheme in found.items() if scheme.projects]
    aside = f", projected for {', '.join(projecting)}" if projecting else ""
    phrases = {
        init: "projected" if init in inside or len(projecting) == len(found) else "isotropic" + aside for init in inits
    }
    if len(phrases) == 1:
        return next(iter(phrases.values()))
    return "; ".join(f"{init}: {phrase}" for init, phrase in phrases.items())
