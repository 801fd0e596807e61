"""Figure 2 of Maass Martínez & Fontbona 2024: discovering E^G, the cloud before and after each step.

Reads one discovery: particles_before, particles_after (step, particle, param), basis (step, param, direction) with
columns of E_j padded by NaN, rmd2, left (step); teacher_particles (teacher_particle, param) and, of
E^G where it is known, fixed_basis (param, direction), if there; without it the last E_j gives the directions.
Columns: steps j. Grey: the subspace E_j where the step starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.clouds import Panel, cloud_figure
from mfsym.figures.looks import USUAL, Look
from mfsym.figures.style import columns_of, needed, number, parameters, training_sentence, write_caption
from mfsym.plotting import TEACHER, Mark, frame_of

BEFORE = Mark("before training", "#999999", "o")
AFTER = Mark("after training", "#D55E00", "o")
MOST_STEPS = 5


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """figure 2: the discovery heuristic as clouds, step by step."""
    before, after, basis, rmd2, left = needed(dataset, "particles_before", "particles_after", "basis", "rmd2", "left")
    squares = [(TEACHER, needed(dataset, "teacher_particles")[0])] if "teacher_particles" in dataset else []
    spans = [columns_of(each) for each in basis]
    known = columns_of(needed(dataset, "fixed_basis")[0]) if "fixed_basis" in dataset else spans[-1]
    frame = frame_of(known, *after, *(z for _, z in squares))
    verdicts = dataset["verdict"].values if "verdict" in dataset else np.where(left, "left", "kept")
    panels = []
    for j, span in enumerate(spans[:MOST_STEPS]):
        verdict = verdicts[j]
        title = f"step {j}: dim $E_{j}$ = {span.shape[1]}\nRMD$^2$ = {number(float(f'{rmd2[j]:.1e}'))}, {verdict}"
        panels.append(Panel(title, frame._replace(subspace=span), [(BEFORE, before[j]), (AFTER, after[j]), *squares]))
    name = "E^G" if "fixed_basis" in dataset else f"E_{len(spans) - 1}"
    labels = (f"first direction of ${name}$", f"leading direction off ${name}$")
    figure = cloud_figure(panels, labels, look, slots=4, least=1.3)
    write_caption(
        figure,
        f"Discovery of $E^G$ with N = {before.shape[1]} particles: each step starts in $E_j$ (grey) and trains freely.",
        "RMD²: to the projection on $E_j$. $E_j$ is left when the statistic of the rule exceeds its threshold.",
        _answer(dataset),
        training_sentence(dataset),
    )
    return figure


def _answer(dataset: Any) -> str:
    """The rule, what it averages, and how far the last E_j is from E^G where that is known."""
    known, angle = parameters(dataset), float(dataset.attrs.get("angle", "nan"))
    parts = [f"Rule: {known['rule']}"] if "rule" in known else []
    counts = {name: known.get(name, 1) for name in ("trainings", "snapshots")}
    if known.get("rule") == "paper" and max(counts.values()) > 1:
        parts.append(f"averaged over {counts['trainings']} trainings of {counts['snapshots']} snapshots")
    parts += [f"angle of the last $E_j$ to $E^G$: {number(float(f'{angle:.1e}'))} rad"] if np.isfinite(angle) else []
    parts += [f"{dataset.attrs['verdict']}: {dataset.attrs['reason']}"] if "verdict" in dataset.attrs else []
    return "; ".join(parts) + "." if parts else ""
