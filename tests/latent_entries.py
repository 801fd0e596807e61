"""The entries of the data dictionary about actions on latents: small results, and slow formulas for each entry.

A linear encoder and decoder stand for the trained ones, so that the results need no extra.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from mfsym.configurations.latents import DiscoveryTable, LatentFile, LatentTable, PairsTable, TrainingTable
from mfsym.dynamics.ensemble_latents import train_ensembles
from mfsym.experiments.latent_ensembles import follow_ensembles
from mfsym.experiments.latent_laws import training_of
from mfsym.experiments.latent_runs import KEPT, LINEAR_PAIRS, discover_latent, latent_result, orbit_result
from mfsym.latents.latent_files import LatentTask, load_latent, turned_digits
from mfsym.latents.linear import LinearLatents
from mfsym.streams import stream_key
from tests.latent_study_entries import LATENT_STUDY_CHECKS, latent_study_results
from tests.shape_entries import close

ANGLES, REPRESENTATION = 12, "2 * charge(1) + charge(2) + trivial(3)"
DEGREES, LATENTS = 25.0, 9


@dataclass
class Linear:
    """A linear encoder and decoder in the form of trained ones."""

    parts: LinearLatents

    def encode(self, x: Any) -> Any:
        return self.parts.encode(np.asarray(x, dtype=float))

    def decode(self, z: Any) -> Any:
        return self.parts.decode(np.asarray(z, dtype=float))

    def to_arrays(self) -> dict[str, Any]:
        return {"components": self.parts.components, "decoder": self.parts.decoder}


@cache
def task() -> LatentTask:
    """Digits with a square at twelve angles."""
    pairs = PairsTable(source="digits", angles=ANGLES, block=3)
    return load_latent(LatentFile(pairs=pairs, latent=LatentTable(representation=REPRESENTATION), name="squares"))


@cache
def linear() -> Linear:
    known = task()
    return Linear(LinearLatents.fit(known.action, *known.train.draw(stream_key(1, "data"), 0, 300)))


def latent_results() -> dict[str, xr.Dataset]:
    """A training, an orbit and a discovery."""
    trained = latent_result(task(), linear(), time.perf_counter())
    file = LatentFile(
        pairs=PairsTable(source="digits", turn=DEGREES), discovery=DiscoveryTable(latents=LATENTS), name="turned"
    )
    # 40 degrees are 1/9 of a turn: other angles fit as well.
    ninth = LatentFile(pairs=PairsTable(source="digits", turn=40.0), discovery=DiscoveryTable(latents=25))
    return {
        "latent": trained,
        "latent_orbit": orbit_result(trained, linear(), 2),
        "latent_charges": discover_latent(file),
        **latent_study_results(),
        "latent_ninth": discover_latent(ninth),
        "latent_ensembles": follow_ensembles(ensembles(), (0, 6)),
    }


def ensembles() -> LatentFile:
    """Two ensembles of five units each that learn digits with a square."""
    training = TrainingTable(trainer="ensembles", particles=5, batch_size=8, seed=4)
    latent = LatentTable(representation=REPRESENTATION)
    return LatentFile(pairs=task().file.pairs, latent=latent, training=training, name="ensembles")


def turn(z: Any, angles: Any) -> Any:
    """Latents of REPRESENTATION turned, plane by plane, as complex numbers."""
    moved = np.array(z, dtype=float)
    for first, charge in ((0, 1), (2, 1), (4, 2)):
        plane = (z[:, first] + 1j * z[:, first + 1]) * np.exp(1j * charge * angles)
        moved[:, first], moved[:, first + 1] = plane.real, plane.imag
    return moved


def decibels(a: Any, b: Any) -> float:
    return float(10.0 * np.log10(1.0 / ((a - b) ** 2).mean()))


def length(z: Any) -> float:
    return float(np.mean([np.linalg.norm(row) for row in z]))


def rms(z: Any) -> float:
    return float(np.sqrt((z**2).sum(axis=1).mean()))


def _trained(results: Any) -> None:
    """PSNR and the errors of a linear encoder and decoder, written out."""
    data, net = results.latent, linear()
    x1, x2, g = task().held.evaluation().arrays
    z1, z2 = net.encode(x1), net.encode(x2)
    close(data["psnr"].values, decibels(net.decode(turn(z1, g)), x2))
    close(data["latent_error"].values, length(turn(z1, g) - z2) / length(z2 - z2.mean(axis=0)))
    h = np.concatenate([g[1:], g[:1]])
    directly = net.decode(turn(z1, g + h))
    stepwise = net.decode(turn(net.encode(net.decode(turn(z1, h))), g))
    close(data["decoder_consistency"].values, rms(directly - stepwise) / rms(x1 - x1.mean(axis=0)))
    expected = [_similar(a, b) for a, b in zip(net.decode(turn(z1, g)), x2, strict=True)]
    close(data["ssim"].values, np.mean(expected))


def _similar(a: Any, b: Any) -> float:
    """Structural similarity of two images, window by window."""
    a, b, found = a.reshape(12, 12), b.reshape(12, 12), []
    for i in range(6):
        for j in range(6):
            u, v = a[i : i + 7, j : j + 7].ravel(), b[i : i + 7, j : j + 7].ravel()
            moments = np.cov(u, v)
            light = (2 * u.mean() * v.mean() + 1e-4) / (u.mean() ** 2 + v.mean() ** 2 + 1e-4)
            found.append(light * (2 * moments[0, 1] + 9e-4) / (moments[0, 0] + moments[1, 1] + 9e-4))
    return float(np.mean(found))


def _beside(results: Any) -> None:
    """The baselines: the input, the image turned pixel by pixel, the linear autoencoder."""
    data, known = results.latent, task()
    x1, x2, g = known.held.evaluation().arrays
    close(data["psnr_copy"].values, decibels(x1, x2))
    few = slice(0, 40)
    turned = np.array([_turned(image, angle) for image, angle in zip(x1[few], g[few], strict=True)])
    from mfsym.latents.baselines import whole_image

    whole = whole_image(known.held.evaluation(), known.action)
    close(turned, whole[few])
    close(data["psnr_whole_image"].values, decibels(whole, x2))
    fitted = _fitted()
    z1, z2 = fitted.encode(x1), fitted.encode(x2)
    close(data["psnr_linear"].values, decibels(fitted.decode(turn(z1, g)), x2))
    close(data["latent_error_linear"].values, length(turn(z1, g) - z2) / length(z2 - z2.mean(axis=0)))


@cache
def _fitted() -> LinearLatents:
    known = task()
    return LinearLatents.fit(known.action, *known.train.draw(stream_key(0, "nodes"), 0, LINEAR_PAIRS))


@cache
def _turned_once() -> Any:
    """The digits of the discovery, and their principal components by a singular value decomposition."""
    inputs = turned_digits(DEGREES)
    both = np.concatenate([inputs.x1, inputs.x2])
    centre = both.mean(axis=0)
    return inputs, centre, np.linalg.svd(both - centre, full_matrices=False)[2][:LATENTS]


def _turned(image: Any, angle: float) -> Any:
    """A 12 x 12 image turned counter-clockwise, pixel by pixel."""
    image, found = np.pad(image.reshape(12, 12), 8), np.zeros((12, 12))
    for i in range(12):
        for j in range(12):
            right, up = j - 5.5, 5.5 - i
            column = 5.5 + np.cos(angle) * right + np.sin(angle) * up + 8.0
            row = 5.5 - (np.cos(angle) * up - np.sin(angle) * right) + 8.0
            k, m = int(np.floor(row)), int(np.floor(column))
            s, t = row - k, column - m
            found[i, j] = (1 - s) * ((1 - t) * image[k, m] + t * image[k, m + 1])
            found[i, j] += s * ((1 - t) * image[k + 1, m] + t * image[k + 1, m + 1])
    return found.ravel()


def _swapped(results: Any) -> None:
    data, net = results.latent, linear()
    a, b, target = task().held.swaps()
    mixed = np.concatenate([net.encode(a)[:, :6], net.encode(b)[:, 6:]], axis=1)
    close(data["psnr_swap"].values, decibels(net.decode(mixed), target))
    close(data["psnr_swap_varying"].values, decibels(a, target))
    close(data["psnr_swap_invariant"].values, decibels(b, target))


def _kept(results: Any) -> None:
    data, net = results.latent, linear()
    x1 = task().held.evaluation().arrays[0][:KEPT]
    close(data["inputs"].values, x1)
    close(data["truth"].values[:, 0], x1)
    steps = np.rint(task().held.evaluation().arrays[2][:KEPT] * ANGLES / (2.0 * np.pi)).astype(int)
    close(data["truth"].values[np.arange(KEPT), steps], task().held.evaluation().arrays[1][:KEPT])
    close(data["network_weights"].values, np.concatenate([part.ravel() for part in net.to_arrays().values()]))
    for name, size in (("sample", KEPT), ("pixel", 144), ("weight_index", data["network_weights"].size)):
        assert data[name].values.tolist() == list(range(size))


def _followed(results: Any) -> None:
    data, net = results.latent_orbit, linear()
    assert data["row"].values.tolist() == ["latent action", "whole image", "truth"]
    angles = 30.0 * np.arange(ANGLES)
    close(data["turn"].values, angles)
    x = results.latent["inputs"].values[2]
    z = np.repeat(net.encode(x[None]), ANGLES, axis=0)
    close(data["orbit"].values[0], net.decode(turn(z, np.deg2rad(angles))))
    close(data["orbit"].values[1][1], np.clip(_turned(x, np.pi / 6), 0.0, 1.0))
    close(data["orbit"].values[2], results.latent["truth"].values[2])


def _discovered(results: Any) -> None:
    """Principal components by a singular value decomposition, Procrustes by a polar factor, eigen-angles of W."""
    data, (inputs, centre, components) = results.latent_charges, _turned_once()
    z1, z2, t1, t2 = ((x - centre) @ components.T for x in (inputs.x1, inputs.x2, inputs.t1, inputs.t2))
    first, second = z1 - z1.mean(axis=0), z2 - z2.mean(axis=0)
    left, _, right = np.linalg.svd(second.T @ first)
    matrix = left @ right
    found = np.abs(np.angle(np.linalg.eigvals(matrix)))
    planes = np.where(data["single"].values == 1, 1, 2)
    close(np.sort(np.repeat(np.rad2deg(_turns(data)), planes)), np.sort(np.rad2deg(found)), 0.7)
    close(data["angle_true"].values, DEGREES)
    assert abs(float(data["angle_found"]) - DEGREES) < 0.5
    moved = (t1 - z1.mean(axis=0)) @ matrix.T + z2.mean(axis=0)
    close(data["held_error"].values, rms(moved - t2) / rms(t2))
    close(data["held_error_identity"].values, rms(t1 - t2) / rms(t2))
    close(data["psnr_linear"].values, decibels(moved @ components + centre, inputs.t2))
    close(data["psnr_principal"].values, decibels(t2 @ components + centre, inputs.t2))


def _turns(data: xr.Dataset) -> Any:
    return np.deg2rad(data["turn_found"].values)


def _planes(results: Any) -> None:
    """Charges, their errors and the angle follow from the turns of the planes by weighted least squares."""
    for data in (results.latent_charges, results.latent_ninth):
        angle, charge, whole = float(data["angle_found"]), data["charge"].values, data["charge_whole"].values
        turns = np.abs((charge * angle + 180.0) % 360.0 - 180.0)
        close(turns, data["turn_found"].values)
        assert np.abs(charge - whole).max() < 0.25
        assert whole.min() >= 0
        expected = np.hypot(data["turn_found_error"].values, whole * float(data["angle_found_error"])) / angle
        close(data["charge_error"].values, expected)
        moving = (data["turn_found"].values > 4.0 * np.hypot(data["turn_found_error"].values, np.rad2deg(0.01))) & (
            data["single"].values == 0
        )
        assert moving.any()
        weights = 1.0 / data["turn_found_error"].values[moving] ** 2
        used, unwound = whole[moving], charge[moving] * angle
        close(angle, (weights * used * unwound).sum() / (weights * used**2).sum())
        misfit = weights * (unwound - used * angle) ** 2
        inflation = max(1.0, misfit[used > 0].sum() / max(1, (used > 0).sum() - 1))
        close(data["angle_found_error"].values, np.sqrt(inflation / (weights * used**2).sum()))
        assert data["plane"].values.tolist() == list(range(len(whole)))
        assert set(data["single"].values.tolist()) <= {0, 1}
        assert int(np.where(data["single"].values == 1, 1, 2).sum()) == len(_axes_of(data))


def _axes_of(data: xr.Dataset) -> range:
    return range(LATENTS if abs(float(data["angle_true"]) - DEGREES) < 1.0 else 25)


def _turn_errors(results: Any) -> None:
    """Spread of the tangential products over the sum of the radial ones, from complex eigenvectors of W."""
    data, (inputs, _, components) = results.latent_charges, _turned_once()
    first, second = ((x - x.mean(axis=0)) @ components.T for x in (inputs.x1, inputs.x2))
    left, _, right = np.linalg.svd(second.T @ first)
    values, vectors = np.linalg.eig(left @ right)
    found = []
    for vector in vectors[:, values.imag > 1e-9].T:
        products = (second @ vector.conj()) * (first @ vector.conj()).conj()
        tangential = (products * np.exp(-1j * np.angle(products.sum()))).imag
        found.append(np.sqrt((tangential**2).sum()) / abs(products.sum()))
    planes = data["single"].values == 0
    close(np.sort(data["turn_found_error"].values[planes]), np.sort(np.rad2deg(found)))


def _rivals(results: Any) -> None:
    """Multiples of 1/9 of a turn generate one group."""
    data = results.latent_ninth
    fitting = sorted([float(data["angle_found"]), *data["angle_rival"].values])
    close(fitting, [40.0, 80.0, 160.0], 0.5)
    assert data["rival"].values.tolist() == [0, 1]


def _laws(results: Any) -> None:
    """The particles of encoder and decoder, turned by the latent action in the coordinates that meet the latents."""
    data, known = results.latent_ensembles, load_latent(ensembles())
    assert data["ensemble"].values.tolist() == ["encoder", "decoder"]
    for k, (_, trained) in enumerate(train_ensembles(known.action, known.train, training_of(known), (0, 6))):
        at = data.isel(time=k).sel(ensemble=["encoder", "decoder"])
        for name, first, z in zip(("encoder", "decoder"), (144, 0), trained.particles, strict=True):
            law, moving = at.sel(ensemble=name), z[:, first : first + 6]
            close(law["second_moment"].values, (z**2).sum(axis=1).mean())
            off = (moving**2).sum(axis=1).mean()
            close(law["rmd2_si"].values, 0.5 * off / (2.0 * (z**2).sum(axis=1).mean() - off))


LATENT_CHECKS: dict[Callable[[Any], None], tuple[str, ...]] = {
    _trained: ("psnr", "ssim", "latent_error", "decoder_consistency"),
    _beside: ("psnr_copy", "psnr_whole_image", "psnr_linear", "latent_error_linear"),
    _swapped: ("psnr_swap", "psnr_swap_varying", "psnr_swap_invariant"),
    _kept: ("inputs", "truth", "network_weights", "pixel", "weight_index"),
    _followed: ("orbit", "turn", "row"),
    _discovered: ("angle_true", "held_error", "held_error_identity", "psnr_principal"),
    _planes: (
        "angle_found",
        "angle_found_error",
        "turn_found",
        "charge",
        "charge_error",
        "charge_whole",
        "single",
        "plane",
    ),
    _turn_errors: ("turn_found_error",),
    _rivals: ("angle_rival", "rival"),
    **LATENT_STUDY_CHECKS,
    _laws: ("ensemble",),
}
"""A check to the entries that it works out again."""
