"""Encoders and decoders that are mean-field ensembles: training from a latent file, and the symmetry of their laws.

The group acts on the particles of both: on v of an encoder's unit v s(u.x / d), and on u of a decoder's. A weakly
invariant law of the encoder gives 0 in every latent that the group moves, so training must leave these laws.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.dynamics.autoencoders import LossWeights
from mfsym.dynamics.ensemble_latents import EnsembleTraining, TrainedEnsembles, train_ensembles
from mfsym.experiments.measures import LAW_METRICS, law_metrics
from mfsym.latents.latent_files import LatentTask
from mfsym.runtime.progress import Progress

LAWS = LAW_METRICS[:-1]
"""Measures of the law of each ensemble, under the action of the group on its particles."""

PARTS = 20
"""Parts of a training that its progress counts."""


def training_of(task: LatentTask) -> EnsembleTraining:
    """The training that a latent file states."""
    table = task.file.training
    return EnsembleTraining(
        n=table.particles,
        steps=table.steps,
        rate=table.usual_rate,
        batch_size=table.batch_size,
        weights=LossWeights(consistency=table.consistency, cycle=table.cycle),
        seed=table.seed,
    )


def fit_ensembles(task: LatentTask, *, verbosity: int = -1) -> TrainedEnsembles:
    """Encoder and decoder after the training of a latent file. Raises Diverged."""
    training = training_of(task)
    counts = np.unique(np.linspace(0, training.steps, PARTS + 1).astype(int))[1:].tolist()
    with Progress(len(counts), task.name, verbosity=verbosity, unit="part") as progress:
        for count, found in train_ensembles(task.action, task.train, training, counts):
            progress.cell(f"step {count}")
            trained = found
    return trained


def laws_of(trained: TrainedEnsembles) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Distances of the laws of encoder and decoder to symmetric laws, as variables (ensemble): see LAWS."""
    pairs = zip(trained.particles, trained.coders, strict=True)
    rows = [law_metrics(z, coder.unit) for z, coder in pairs]
    return {name: (("ensemble",), np.array([row[name] for row in rows])) for name in LAWS}
