"""Rows of images: one input followed round the group by the latent action, as a whole image, and in truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import needed, parameters, write_caption
from mfsym.plotting import TEXT_SIZE

MOST = 18
"""Images in a row; of more turns every second, third, ... is drawn."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """the orbit of one input under a latent action."""
    (orbit,) = needed(dataset.transpose("row", "turn", "pixel"), "orbit")
    known = parameters(dataset)
    height, width = known["shape"]
    shown = np.arange(0, orbit.shape[1], -(-orbit.shape[1] // MOST))
    across = look.width or WIDTH
    side = across / (len(shown) + 2.0)
    figure = Figure(figsize=(across, side * height / width * (len(orbit) + 0.8)), layout="constrained")
    panels = figure.subplots(len(orbit), len(shown), squeeze=False)
    unit = "°" if np.any(dataset["turn"].values % 1.0) or dataset["turn"].values.max() >= 90.0 else ""
    for number, (name, images, row) in enumerate(zip(dataset["row"].values, orbit, panels, strict=True)):
        for place, axes in zip(shown, row, strict=True):
            axes.imshow(images[place].reshape(height, width), cmap="gray", vmin=0.0, vmax=1.0)
            axes.set(xticks=[], yticks=[])
            if number == 0:
                axes.set_title(f"{dataset['turn'].values[place]:g}{unit}", size=TEXT_SIZE - 2)
        row[0].set_ylabel(str(name).replace(" ", "\n"), rotation=0, ha="right", va="center", size=TEXT_SIZE - 1)
    group, rep = known.get("group", ""), known.get("representation", "")
    write_caption(figure, f"Sample {known.get('sample', 0)} under {group}; latents: {rep}.")
    return figure
