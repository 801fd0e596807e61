"""A group on latents: train an encoder and a decoder, discover charges, follow the orbit of an input.

Jin, Shrivastava & Fletcher, NeurIPS 2024, with any representation in the place of one charge. The baselines, the input
itself, the whole image turned and a linear autoencoder, stand beside every learned result.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.arguments import as_whole
from mfsym.configurations.latents import LatentFile
from mfsym.dynamics.autoencoders import NAMES
from mfsym.dynamics.ensemble_latents import TrainedEnsembles
from mfsym.errors import MfsymError
from mfsym.experiments.latent_laws import fit_ensembles, laws_of
from mfsym.latents.actions import LatentAction
from mfsym.latents.baselines import whole_image
from mfsym.latents.digits import DigitPairs
from mfsym.latents.discovery import discover_charges
from mfsym.latents.latent_files import LatentTask, as_latent_file, load_latent, load_turned
from mfsym.latents.linear import LinearLatents, PrincipalLatents
from mfsym.latents.measures import decoder_consistency, latent_error, psnr, ssim, swapped
from mfsym.latents.pairs import Pairs, PairSource
from mfsym.latents.traversals import orbit, way_round
from mfsym.runtime.progress import Progress
from mfsym.runtime.provenance import attributes
from mfsym.streams import stream_key
from mfsym.typing import Floats
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

KEPT = 32
"""Inputs of the measured pairs that a result keeps, to be followed round their orbits."""

LINEAR_PAIRS = 2048
"""Training pairs that the linear baseline is fitted to."""

TURNS = 36
"""Angles of an orbit, unless the group or the data give others."""

ROWS = ("latent action", "whole image", "truth")


def train_latent(source: LatentFile | Path | str, *, verbosity: int = -1, **keys: Any) -> xr.Dataset:
    """Train an encoder and a decoder under a latent action and measure them: what ``mfsym latent FILE`` writes.

    source : a latent file.  keys : steps, batch_size, rate, consistency, cycle, seed; they override the file's.
    Returns a Dataset of psnr, ssim, latent_error, decoder_consistency on held-out pairs, the same of the baselines
    (psnr_copy, psnr_whole_image where the group turns images, psnr_linear, latent_error_linear), psnr_swap with its two
    trivial answers where the data have a square; inputs (sample, pixel) and, of digits, truth (sample, turn, pixel);
    network_weights.  Of two ensembles also distances of their laws to symmetric ones, (ensemble): see ``laws_of``.
    MfsymError without the extra ``jax``, which ensembles do not need.
    """
    task = load_latent(_overridden(source, keys))
    began = time.perf_counter()
    return latent_result(task, _trained(task, verbosity), began)


def latent_result(task: LatentTask, trained: Any, began: float) -> xr.Dataset:
    """The Dataset of ``train_latent``.

    trained : has ``encode`` and ``decode``, functions of NumPy arrays, and ``to_arrays``, its weights by name.
    began : time of ``time.perf_counter`` at the start of the training.
    """
    import xarray as xr

    seconds = time.perf_counter() - began
    values = measured(task.action, task.held, trained.encode, trained.decode) | baselines(task)
    variables: dict[str, Any] = {name: ((), value) for name, value in values.items()} | {"seconds": ((), seconds)}
    weights, layout = _packed(trained.to_arrays())
    variables |= {"network_weights": ("weight_index", weights)} | _kept(task.held)
    sizes = {"sample": variables["inputs"][1].shape[0], "pixel": variables["inputs"][1].shape[1]}
    coords: dict[str, Any] = {name: np.arange(size) for name, size in sizes.items()}
    coords["weight_index"] = np.arange(len(weights))
    if isinstance(trained, TrainedEnsembles):
        variables |= laws_of(trained)
        coords["ensemble"] = list(NAMES)
    if "truth" in variables:
        angles = variables["truth"][1].shape[1]
        coords["turn"] = 360.0 * np.arange(angles) / angles
    pairs = task.held.evaluation()
    config = {**task.file.to_dict(), "layout": layout, "shape": list(pairs.shape), "shape_assumed": pairs.assumed}
    attrs = attributes("mfsym latent", config, task.file.training.seed, noise="none")
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


def _trained(task: LatentTask, verbosity: int) -> Any:
    """The encoder and decoder that the trainer of a latent file makes."""
    table = task.file.training
    if table.trainer == "ensembles":
        return fit_ensembles(task, verbosity=verbosity)

    from mfsym.latents.training import train

    with Progress(table.steps, task.name, verbosity=verbosity, unit="step") as progress:
        return train(
            task.action,
            task.train,
            steps=table.steps,
            batch_size=table.batch_size,
            rate=table.usual_rate,
            consistency=table.consistency,
            cycle=table.cycle,
            seed=table.seed,
            progress=progress,
        )


def _restored(action: LatentAction, config: dict[str, Any], row: Floats) -> Any:
    """The encoder and decoder that a result keeps."""
    arrays = _unpacked(row, config["layout"])
    if config["training"]["trainer"] == "ensembles":
        return TrainedEnsembles.from_arrays(action, arrays)

    from mfsym.latents.training import TrainedLatent

    return TrainedLatent.from_arrays(action, arrays)


def measured(action: LatentAction, held: PairSource, encode: Any, decode: Any) -> dict[str, float]:
    """psnr, ssim, latent_error and decoder_consistency on the measured pairs, and psnr_swap where there is a square.

    encode, decode : functions of NumPy arrays.
    """
    pairs = held.evaluation()
    x1, x2, g = pairs.arrays
    answers = np.asarray(decode(np.asarray(action.act(g, np.asarray(encode(x1))))), dtype=np.float64)
    found = {
        "psnr": psnr(answers, x2),
        "ssim": ssim(answers, x2, pairs.shape),
        "latent_error": latent_error(encode, action, x1, x2, g),
        "decoder_consistency": decoder_consistency(encode, decode, action, x1, g),
    }
    if isinstance(held, DigitPairs) and held.block:
        a, b, target = held.swaps()
        found |= {
            "psnr_swap": psnr(swapped(encode, decode, action, a, b), target),
            "psnr_swap_varying": psnr(a, target),
            "psnr_swap_invariant": psnr(b, target),
        }
    return found


def baselines(task: LatentTask) -> dict[str, float]:
    """PSNR of x1 as it is, of x1 turned as a whole where the group turns images, and of a linear autoencoder."""
    pairs = task.held.evaluation()
    x1, x2, g = pairs.arrays
    found = {"psnr_copy": psnr(x1, x2)}
    if _turns_images(task.action, pairs):
        found["psnr_whole_image"] = psnr(whole_image(pairs, task.action), x2)
    if task.action.dim <= pairs.pixels:
        seed = task.file.training.seed
        drawn = task.train.draw(stream_key(seed, "nodes"), 0, LINEAR_PAIRS)
        linear = LinearLatents.fit(task.action, *drawn, seed=seed)
        found["psnr_linear"] = psnr(linear.decode(task.action.act(g, linear.encode(x1))), x2)
        found["latent_error_linear"] = latent_error(linear.encode, task.action, x1, x2, g)
    return found


def discover_latent(source: LatentFile | Path | str, **keys: Any) -> xr.Dataset:
    """Find the charges by which principal components turn, from pairs of one unknown angle.

    source : a latent file.  keys : latents, most, angle (in degrees, if it is known), seed; they override the file's.
    Returns a Dataset: turn, turn_error, charge, charge_error, charge_whole, single (plane), in degrees and in whole
    turns of the angle; angle_found, angle_found_error, in degrees; angle_true if the data know it; angle_rival (rival);
    held-out held_error, held_error_identity, psnr_linear, psnr_principal.
    """
    import xarray as xr

    file, name = as_latent_file(_overridden(source, keys))
    table, inputs = file.discovery, load_turned(file)
    principal = PrincipalLatents.fit(np.concatenate([inputs.x1, inputs.x2]), table.latents)
    known = None if table.angle is None else float(np.deg2rad(table.angle))
    z1, z2 = principal.encode(inputs.x1), principal.encode(inputs.x2)
    found = discover_charges(z1, z2, angle=known, most=table.most)
    held = principal.encode(inputs.t1), principal.encode(inputs.t2)
    moved = (held[0] - z1.mean(axis=0)) @ found.matrix.T + z2.mean(axis=0)
    size = float(np.sqrt((held[1] ** 2).mean()))
    values: dict[str, Any] = {
        "angle_found": np.rad2deg(found.angle),
        "angle_found_error": np.rad2deg(found.angle_error),
        "held_error": float(np.sqrt(((moved - held[1]) ** 2).mean())) / size,
        "held_error_identity": float(np.sqrt(((held[0] - held[1]) ** 2).mean())) / size,
        "psnr_linear": psnr(principal.decode(moved), inputs.t2),
        "psnr_principal": psnr(principal.decode(held[1]), inputs.t2),
    }
    if inputs.angle is not None:
        values["angle_true"] = np.rad2deg(inputs.angle)
    variables: dict[str, Any] = {key: ((), value) for key, value in values.items()}
    planes = {
        "turn_found": np.rad2deg(found.turns),
        "turn_found_error": np.rad2deg(found.turn_errors),
        "charge": found.charges,
        "charge_error": found.charge_errors,
        "charge_whole": found.whole,
        "single": found.single.astype(np.int64),
    }
    variables |= {key: ("plane", value) for key, value in planes.items()}
    variables["angle_rival"] = ("rival", np.rad2deg(found.rivals))
    coords = {"plane": np.arange(len(found.turns)), "rival": np.arange(len(found.rivals))}
    attrs = attributes("mfsym latent --discover", {**file.to_dict(), "name": name}, file.training.seed, noise="none")
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


def traverse(result: xr.Dataset, sample: int = 0, turns: int | None = None) -> xr.Dataset:
    """The decoded orbit of one kept input of a result of ``train_latent``: D rho_g E x for g round the group.

    turns : number of angles, 36 by default. Of a finite group all elements are taken, and of digits the angles of the
    data: MfsymError if ``turns`` is then another number.
    Returns a Dataset: orbit (row, turn, pixel), the latent action and, where they exist, the whole image turned and the
    truth.
    """
    config, action = _described(result)
    return orbit_result(result, _restored(action, config, result["network_weights"].values), sample, turns)


def orbit_result(result: xr.Dataset, trained: Any, sample: int, turns: int | None = None) -> xr.Dataset:
    """The Dataset of ``traverse``, for an encoder and a decoder in the form of ``latent_result``."""
    import xarray as xr

    config, action = _described(result)
    inputs = np.asarray(result["inputs"].values, dtype=np.float64)
    number = as_whole(sample, "sample", 0, len(inputs) - 1)
    truth = result["truth"].values[number] if "truth" in result else None
    elements, places = way_round(action, (turns or TURNS) if truth is None else len(truth))
    if turns is not None and turns != len(elements):
        what = f"every element of {action.group.name}" if action.group.order is not None else "the angles of the data"
        raise MfsymError(f"the orbit is followed at {what}, {len(elements)}, got turns = {turns}; leave it out")
    x = inputs[number]
    rows = {ROWS[0]: orbit(trained.encode, trained.decode, action, x, elements)}
    same = np.repeat(x[None], len(elements), axis=0)
    pairs = Pairs(same, same, elements, tuple(config["shape"]))
    if _turns_images(action, pairs):
        rows[ROWS[1]] = whole_image(pairs, action)
    if truth is not None:
        rows[ROWS[2]] = np.asarray(truth, dtype=np.float64)
    coords = {"row": list(rows), "turn": places, "pixel": np.arange(inputs.shape[1])}
    stated = {"sample": number, "shape": config["shape"], "name": config["name"], **config["latent"]}
    attrs = attributes("mfsym latent --traverse", stated, int(result.attrs["seed"]), noise="none")
    orbits = (("row", "turn", "pixel"), np.stack(list(rows.values())))
    return annotate(xr.Dataset({"orbit": orbits}, coords=coords, attrs=attrs))


def _described(result: xr.Dataset) -> tuple[dict[str, Any], LatentAction]:
    """The configuration and the action of a result of ``train_latent``; MfsymError for another result."""
    if result.attrs.get("title") != "mfsym latent" or "network_weights" not in result:
        raise MfsymError("a traversal needs a result of a training of latents, got another; train first")
    config = json.loads(result.attrs["config"])
    return config, LatentAction.parse(config["latent"]["representation"], config["latent"]["group"])


def _overridden(source: LatentFile | Path | str, keys: dict[str, Any]) -> LatentFile:
    """The latent file, named, with values of [training] and [discovery] replaced; MfsymError for another key."""
    file, name = as_latent_file(source)
    return file.overridden(file.name or name, **keys)


def _turns_images(action: LatentAction, pairs: Pairs) -> bool:
    """Whether one angle of the plane belongs to an element, and the inputs are square images."""
    group, (rows, columns) = action.group, pairs.shape
    circle = group.order is not None and len(group.generator_names) == 1
    one = np.ndim(pairs.g) == 1 and (circle or (group.order is None and group.planes == 1))
    return rows == columns and rows > 1 and one


def _kept(held: PairSource) -> dict[str, Any]:
    """The first measured inputs, and their true orbits if they are known."""
    inputs = held.evaluation().arrays[0][:KEPT]
    found: dict[str, Any] = {"inputs": (("sample", "pixel"), inputs)}
    if isinstance(held, DigitPairs):
        found["truth"] = (("sample", "turn", "pixel"), held.truth(len(inputs)))
    return found


def _packed(arrays: dict[str, Any]) -> tuple[Floats, dict[str, list[int]]]:
    """All arrays in one row, by increasing name, and the shape of each."""
    layout = {name: list(np.shape(arrays[name])) for name in sorted(arrays)}
    flat = [np.asarray(arrays[name], dtype=np.float64).ravel() for name in layout]
    return np.concatenate(flat), layout


def _unpacked(row: Floats, layout: dict[str, list[int]]) -> dict[str, Floats]:
    names = sorted(layout)
    sizes = [int(np.prod(layout[name])) for name in names]
    parts = np.split(np.asarray(row), np.cumsum(sizes)[:-1])
    return {name: part.reshape(layout[name]) for name, part in zip(names, parts, strict=True)}
