"""Two mean-field ensembles as encoder and decoder, followed in time: accuracy, equivariance, symmetry of the laws."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.arguments import as_whole
from mfsym.configurations.latents import LatentFile
from mfsym.dynamics.autoencoders import NAMES
from mfsym.dynamics.ensemble_latents import train_ensembles
from mfsym.errors import MfsymError
from mfsym.experiments.latent_laws import LAWS, laws_of, training_of
from mfsym.experiments.latent_runs import measured
from mfsym.latents.latent_files import load_latent
from mfsym.runtime.progress import Progress
from mfsym.runtime.provenance import attributes
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr


def follow_ensembles(
    source: LatentFile | Path | str, steps: Iterable[int] = (0, 4000, 8000), *, laws: bool = True, verbosity: int = -1
) -> xr.Dataset:
    """Train the two ensembles of a latent file and measure them after several numbers of steps.

    source : a latent file with trainer = "ensembles"; its own number of steps is not used.
    steps : increasing numbers of steps.  laws : whether to measure the laws, some seconds each at N = 512.
    Returns a Dataset along ``time`` = steps / N: psnr, ssim, latent_error, decoder_consistency on held-out pairs,
    psnr_swap with its trivial answers where the data have a square; and (time, ensemble) the LAWS of encoder and
    decoder.  Raises Diverged, and MfsymError for another trainer.
    """
    import xarray as xr

    task = load_latent(source)
    if task.file.training.trainer != "ensembles":
        raise MfsymError(f'{task.name}: needs [training] with trainer = "ensembles"')
    wanted = [as_whole(count, "steps", 0) for count in steps]
    if not wanted or sorted(set(wanted)) != wanted:
        raise MfsymError(f"steps must increase, got {wanted}")
    training = training_of(task)
    rows: list[dict[str, Any]] = []
    with Progress(len(wanted), task.name, verbosity=verbosity, unit="snapshot") as progress:
        for count, trained in train_ensembles(task.action, task.train, training, wanted):
            row: dict[str, Any] = measured(task.action, task.held, trained.encode, trained.decode)
            rows.append(row | ({name: value for name, (_, value) in laws_of(trained).items()} if laws else {}))
            progress.cell(f"step {count}")
    dims = {name: ("time", "ensemble") if name in LAWS else ("time",) for name in rows[0]}
    variables = {name: (dims[name], np.array([row[name] for row in rows])) for name in rows[0]}
    coords: dict[str, Any] = {"time": np.array(wanted) / training.n} | ({"ensemble": list(NAMES)} if laws else {})
    config = {**task.file.to_dict(), "steps": wanted}
    attrs = attributes("mfsym latent", config, training.seed, noise="none")
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))
