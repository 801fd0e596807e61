"""The command latent: groups on the latents of an autoencoder."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfsym.cli.files import SIM
from mfsym.cli.options import (
    COUNT,
    SEED,
    Number,
    Whole,
    format_option,
    keep_and_print,
    output_file,
    verbosity,
    verbosity_options,
)
from mfsym.errors import MfsymError

if TYPE_CHECKING:
    import xarray as xr

PICTURES = (".png", ".pdf", ".svg")
TRAINING = ("steps", "batch_size", "rate")
DISCOVERY = ("latents", "angle")


@click.command()
@click.argument("source", metavar="FILE", type=SIM)
@click.option("-o", "--out", help="The Dataset to write, .nc; of --traverse also .png, .pdf or .svg.")
@click.option("--discover", is_flag=True, help="Find the charges from pairs of one unknown angle, without training.")
@click.option("--traverse", type=Whole(0), metavar="I", help="Decode the orbit of sample I of a result.")
@click.option("--steps", type=COUNT, help="Training steps.  [default: the file's, or 4000]")
@click.option("--batch-size", type=Whole(1, 10**6), help="Pairs in a batch.  [default: the file's, or 128]")
@click.option(
    "--rate",
    type=Number(0.0, open_low=True),
    help="Rate of training.  [default: the file's, or the trainer's]",
)
@click.option("--latents", type=Whole(2), help="Of --discover: principal components.  [default: the file's, or 25]")
@click.option("--angle", type=Number(0.0, open_low=True), help="Of --discover: the angle in degrees, if known.")
@click.option(
    "--turns",
    type=Whole(2, 3600),
    help="Of --traverse: angles round the circle; not of a finite group or of digits.  [default: 36]",
)
@click.option("--seed", type=SEED, help="Seed of every random stream.  [default: the file's, or 0]")
@format_option("text", "json")
@verbosity_options
def latent(
    source: Path,
    out: str | None,
    discover: bool,
    traverse: int | None,
    form: str,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Train an encoder and a decoder on whose latents a group acts; FILE is a .toml, or a result to look into.

    \b
    Examples:
      mfsym latent latents-blocked -o latents.nc
      mfsym latent latents.nc --traverse 3 -o orbit.png
      mfsym latent latents-turned --discover
    """
    stated = {key: value for key, value in given.items() if value is not None}
    if source.suffix == ".nc":
        _refuse(stated, ("turns",), "a result")
        if form == "json":
            raise MfsymError("--format json is no option of --traverse; the orbit is written as .nc or a picture")
        _traverse(source, out, traverse, stated.get("turns"), discover)
        return
    if traverse is not None:
        raise MfsymError(f"{source}: --traverse needs a result of mfsym latent FILE -o latents.nc")
    if discover:
        _refuse(stated, (*DISCOVERY, "seed"), "--discover")
        path = output_file(out)
        from mfsym.experiments.latent_runs import discover_latent

        dataset = discover_latent(source, **stated)
        keep_and_print(
            dataset, path, json.dumps(_record(dataset), allow_nan=False) if form == "json" else _charges(dataset)
        )
        return
    _refuse(stated, (*TRAINING, "seed"), "training")
    if out is None:
        raise MfsymError("-o is needed: the Dataset to write, .nc")
    path = output_file(out)
    from mfsym.experiments.latent_runs import train_latent

    dataset = train_latent(source, verbosity=verbosity(quiet, verbose), **stated)
    keep_and_print(
        dataset, path, json.dumps(_record(dataset), allow_nan=False) if form == "json" else _measures(dataset)
    )


def _refuse(stated: dict[str, Any], known: tuple[str, ...], what: str) -> None:
    for key in stated:
        if key not in known:
            raise MfsymError(f"--{key.replace('_', '-')} is no option of {what}; leave it out")


def _traverse(source: Path, out: str | None, sample: int | None, turns: int | None, discover: bool) -> None:
    if discover or sample is None:
        raise MfsymError(f"{source}: a result is looked into by --traverse I; a .toml file is trained or discovered")
    text = out or f"{source.stem}-orbit-{sample}.png"
    suffix = Path(text).suffix
    if suffix not in (".nc", *PICTURES):
        raise MfsymError(f"{text}: an orbit is written as .nc, {', '.join(PICTURES)}")
    path = output_file(text, suffix)
    assert path is not None
    from mfsym.experiments.latent_runs import traverse
    from mfsym.stores.datasets import open_result, save

    orbit = traverse(open_result(source), sample, turns)
    if suffix == ".nc":
        save(orbit, path)
    else:
        from mfsym.figures.drawing import render
        from mfsym.figures.latent_rows import draw

        render(draw, [orbit], [path])
    click.echo(f"{path}: sample {sample} at {orbit.sizes['turn']} elements")


def _record(dataset: xr.Dataset) -> dict[str, Any]:
    """The numbers of a result, and lists of those of each plane; None in the place of what is not finite."""
    skipped = ("inputs", "truth", "network_weights")
    return {str(name): _finite(dataset[name].values.tolist()) for name in dataset.data_vars if name not in skipped}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _measures(dataset: xr.Dataset) -> str:
    """The table of a trained action and its baselines."""
    lines = [f"{'':30s} {'dB':>6s} {'SSIM':>6s} {'latent error':>13s}"]
    value = {str(name): float(dataset[name]) for name in dataset.data_vars if not dataset[name].dims}
    lines.append(f"{'latent action':30s} {value['psnr']:6.2f} {value['ssim']:6.3f} {value['latent_error']:13.3f}")
    for label, name in (("copy the input", "copy"), ("turn the whole image", "whole_image"), ("linear", "linear")):
        if f"psnr_{name}" in value:
            error = f"{value['latent_error_linear']:13.3f}" if name == "linear" else ""
            lines.append(f"{label:30s} {value[f'psnr_{name}']:6.2f} {'':6s} {error}".rstrip())
    config = json.loads(dataset.attrs["config"])
    if config["shape_assumed"]:
        rows, columns = config["shape"]
        lines.append(f"inputs taken as images of {rows} x {columns}; arrays (n, rows, columns) state another shape")
    lines.append(f"consistency of the decoder {value['decoder_consistency']:.3f}")
    if "psnr_swap" in value:
        trivial = f"{value['psnr_swap_varying']:.2f} and {value['psnr_swap_invariant']:.2f}"
        lines.append(f"swap test {value['psnr_swap']:.2f} dB; the two images themselves {trivial}")
    if "ensemble" in dataset.dims:
        lines += [_law(dataset.isel(ensemble=k)) for k in range(dataset.sizes["ensemble"])]
    return "\n".join(lines)


def _law(data: xr.Dataset) -> str:
    """How far the law of one ensemble is from the symmetric laws."""
    names = ("ensemble", "distance_wi_lower", "distance_wi_upper", "rmd2_symmetrised")
    which, lower, upper, relative = (data[name].item() for name in names)
    return f"law of the {which}: {lower:.3g} to {upper:.3g} from WI laws, rmd2_symmetrised {relative:.3f}"


def _charges(dataset: xr.Dataset) -> str:
    """The charges found, plane by plane, and the linear action held out."""
    value = {str(name): float(dataset[name]) for name in dataset.data_vars if not dataset[name].dims}
    true = f" (true: {value['angle_true']:.3f})" if "angle_true" in value else ""
    rivals = ", ".join(f"{angle:.1f}" for angle in dataset["angle_rival"].values)
    lines = [f"angle {value['angle_found']:.3f} +- {value['angle_found_error']:.3f} degrees{true}"]
    lines += [f"other angles fit as well: {rivals}"] if rivals else []
    lines.append(f"{'charge':>6s} {'found':>9s} {'error':>8s} {'turn':>9s}")
    columns = ("charge_whole", "charge", "charge_error", "turn_found", "single")
    rows = sorted(zip(*(dataset[name].values for name in columns), strict=True), key=lambda row: abs(float(row[3])))
    for whole, charge, error, turn, single in rows:
        lines.append(f"{int(whole):6d} {charge:9.3f} {error:8.3f} {turn:8.2f}°{'  (one axis)' if single else ''}")
    lines.append(
        f"held out: error {value['held_error']:.3f} (identity {value['held_error_identity']:.3f}), "
        f"{value['psnr_linear']:.2f} dB of at most {value['psnr_principal']:.2f}"
    )
    return "\n".join(lines)
