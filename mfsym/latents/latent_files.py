"""From a latent file to an action and its pairs: digits, or a user's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfsym.configurations.latents import LatentFile, PairsTable, read_latent
from mfsym.errors import MfsymError
from mfsym.latents.actions import LatentAction
from mfsym.latents.digits import digit_pairs, held_digits
from mfsym.latents.images import rotated
from mfsym.latents.pairs import Pairs, PairSource, load_pairs
from mfsym.streams import stream_key, uniforms
from mfsym.typing import Floats

_SAME = 1e-9


@dataclass(frozen=True)
class LatentTask:
    """What a latent file states.

    name.  action : of the latents.  train, held : pairs to train on and to measure on.  file : its content.
    """

    name: str
    action: LatentAction
    train: PairSource
    held: PairSource
    file: LatentFile


@dataclass(frozen=True)
class TurnedInputs:
    """Inputs before and after one element, for a discovery: x1, x2 (n, pixels) and held-out t1, t2 (m, pixels).

    angle : in radians, from 0 to pi, if the data know it; else None.
    """

    x1: Floats
    x2: Floats
    t1: Floats
    t2: Floats
    angle: float | None


def load_latent(source: LatentFile | Path | str) -> LatentTask:
    """The action and the pairs of a latent file; MfsymError of one line for anything unknown or inconsistent."""
    file, name = as_latent_file(source)
    table = file.latent
    if table.representation is None:
        raise MfsymError(f'{name}: needs [latent] with representation, such as "2 * charge(1) + trivial(8)"')
    action = LatentAction.parse(table.representation, table.group)
    if table.dimension is not None and action.dim != table.dimension:
        raise MfsymError(
            f"{name}: the representation {table.representation[:60]!r} acts on R^{action.dim}, but dimension = "
            f"{table.dimension}; change one of them"
        )
    train, held = _pairs(file.pairs, action, file.training.seed)
    return LatentTask(file.name or name, action, train, held, file)


def load_turned(source: LatentFile | Path | str) -> TurnedInputs:
    """The inputs of a discovery: pairs of one element. MfsymError where an .npz file holds several.

    The angle is known of so(2), o(2), u1(1) and cyclic(n), the group that the file states, if g is no matrix.
    """
    file, _ = as_latent_file(source)
    table, seed = file.pairs, file.training.seed
    if table.source == "digits":
        return turned_digits(table.turn, table.angles, seed)
    pairs = load_pairs(table.source, unknown=True)
    g = pairs.arrays[2]
    known = bool(np.isfinite(g).all())
    if known and np.abs(g - g[:1]).max() > _SAME:
        raise MfsymError(
            f"{table.source}: a discovery needs pairs of one element, got several; keep those of one, or train with g"
        )
    kept, held = pairs.split(table.test, seed)
    return TurnedInputs(
        *kept.arrays[:2], *held.arrays[:2], _angle(pairs, file.latent.group, table.source) if known else None
    )


def turned_digits(degrees: float, angles: int = 36, seed: int = 0) -> TurnedInputs:
    """Digits at uniform multiples of 360 / ``angles`` degrees, and the same digits turned further by ``degrees``."""
    images, _ = held_digits(seed)
    parts: list[Floats] = []
    for step, rows in enumerate(images):
        places = np.floor(uniforms(stream_key(seed, "data"), step, len(rows), 1)[:, 0] * angles)
        start = places * (2.0 * np.pi / angles)
        parts += [np.clip(rotated(rows, start + turn), 0.0, 1.0) for turn in (0.0, np.deg2rad(degrees))]
    return TurnedInputs(parts[0], parts[1], parts[2], parts[3], _folded(float(np.deg2rad(degrees))))


def as_latent_file(source: LatentFile | Path | str) -> tuple[LatentFile, str]:
    """The content and the name of a latent file."""
    if isinstance(source, LatentFile):
        return source, source.name or "latents"
    return read_latent(Path(source)), Path(source).stem


def _angle(pairs: Pairs, name: str, source: str) -> float | None:
    """The angle in [0, pi] of the first element; None if it is not one angle of the plane. MfsymError if not in the
    group."""
    action = LatentAction.parse("trivial(1)", name)
    try:
        pairs.check(action)
    except MfsymError as error:
        raise MfsymError(f"{source}: {error}") from None
    group, g = action.group, pairs.arrays[2]
    if g[0].size > 1 or len(group.generator_names) > 1:
        return None
    if group.order is not None:
        return _folded(float(g.flat[0]) * 2.0 * np.pi / group.order)
    return _folded(float(g.flat[0])) if group.planes == 1 else None


def _folded(angle: float) -> float:
    """The angle in [0, pi] that turns as far, one way or the other."""
    return float(abs(np.remainder(angle + np.pi, 2.0 * np.pi) - np.pi))


def _pairs(table: PairsTable, action: LatentAction, seed: int) -> tuple[PairSource, PairSource]:
    if table.source == "digits":
        first, second = digit_pairs(table.angles, table.block, seed=seed, action=action)
        return first, second
    try:
        pairs = load_pairs(table.source)
        kept, held = pairs.check(action).split(table.test, seed)
        _check_measurable(held)
    except MfsymError as error:
        text = str(error)
        raise MfsymError(text if text.startswith(table.source) else f"{table.source}: {text}") from None
    return kept, held


def _check_measurable(held: Pairs) -> None:
    """MfsymError, before any training, if held-out pairs have no spread to measure by."""
    if len(held) < 2:
        raise MfsymError(f"the measures need 2 held-out pairs or more, got {len(held)}; raise test, or give more pairs")
    for name, rows in zip(("x1", "x2"), held.arrays[:2], strict=True):
        if (rows == rows[0]).all():
            raise MfsymError(
                f"{name} must hold different inputs, but those of all {len(held)} held-out pairs are equal"
            )
