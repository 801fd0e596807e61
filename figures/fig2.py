"""Figure 2 of Maass Martínez & Fontbona 2024: discovering E^G, the cloud before and after each step.

Reads one discovery: particles_before, particles_after (step, particle, param), basis (step, param, direction) with
columns of E_j padded by NaN, rmd2, left (step); teacher_particles (teacher_particle, param) and, of
E^G where it is known, fixed_basis (param, direction), if there; without it the last E_j gives the directions.
Columns: steps j. Grey: the subspace E_j where the step starts.
"""

from __future__ import annotations

from typing import Any

from clouds import Panel, cloud_figure
from matplotlib.figure import Figure
from style import columns_of, main, needed, number, training_sentence, write_caption

from mfsym.plotting import TEACHER, Mark, frame_of

BEFORE = Mark("before training", "#999999", "o")
AFTER = Mark("after training", "#D55E00", "o")
MOST_STEPS = 5


def draw(dataset: Any) -> Figure:
    """figure 2: the discovery heuristic as clouds, step by step."""
    before, after, basis, rmd2, left = needed(dataset, "particles_before", "particles_after", "basis", "rmd2", "left")
    squares = [(TEACHER, needed(dataset, "teacher_particles")[0])] if "teacher_particles" in dataset else []
    spans = [columns_of(each) for each in basis]
    known = columns_of(needed(dataset, "fixed_basis")[0]) if "fixed_basis" in dataset else spans[-1]
    frame = frame_of(known, *after, *(z for _, z in squares))
    panels = []
    for j, span in enumerate(spans[:MOST_STEPS]):
        verdict = "left" if left[j] else "kept"
        title = f"step {j}: dim $E_{j}$ = {span.shape[1]}\nRMD$^2$ = {number(float(f'{rmd2[j]:.1e}'))}, {verdict}"
        panels.append(Panel(title, frame._replace(subspace=span), [(BEFORE, before[j]), (AFTER, after[j]), *squares]))
    name = "E^G" if "fixed_basis" in dataset else f"E_{len(spans) - 1}"
    labels = (f"first direction of ${name}$", f"leading direction off ${name}$")
    figure = cloud_figure(panels, labels, slots=4)
    write_caption(
        figure,
        f"Discovery of $E^G$ with N = {before.shape[1]} particles: each step starts in $E_j$ (grey) and trains freely.",
        "RMD²: to the projection on $E_j$. $E_j$ is left when the statistic of the rule exceeds its threshold.",
        training_sentence(dataset),
    )
    return figure


if __name__ == "__main__":
    main(draw)
