"""The figures: one module each, drawn from results and never from new trainings.

``mfsym figure NAME RESULT... -o OUT`` and ``python figures/NAME.py RESULT... OUT.pdf`` run the same code. The table
below says what each figure shows, what it reads and which commands make its results; ``figures/README.md`` and the
rules of the Makefile follow from it. Nothing heavy is imported before a figure is drawn.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mfsym.errors import MfsymError


class Entry(NamedTuple):
    """One figure.

    shows : what, in one line.  needs : the results it reads.  made : for each size, the commands that make them.
    module : where it is drawn, if not in the module of its name.
    """

    shows: str
    needs: str
    made: Mapping[str, tuple[str, ...]]
    module: str = ""


SIZES = {"paper": "", "long": "", "any": "", "demo": "", "laptop": "-laptop", "small": "-small"}
"""Size to the end of the drawn file's name. "any": the same at every size; "long": hours beyond the paper's."""

BOTH = "a sweep with inits si and wi, or two sweeps with one each"


def _sweeps(*names: str, sizes: Sequence[str] = ("paper", "laptop")) -> dict[str, tuple[str, ...]]:
    files = {size: [f"{name}{SIZES[size]}" for name in names] for size in sizes}
    return {
        size: tuple(f"mfsym sweep sims/{file}.toml -o results/{file}.nc -j 2" for file in found)
        for size, found in files.items()
    }


def _compared(teacher: str) -> dict[str, tuple[str, ...]]:
    command = f"mfsym compare --teacher {teacher} --init si -n 1000 -j 2 -o results/compare-{teacher}.nc"
    return {"any": (command,)}


def _shapes(name: str) -> dict[str, tuple[str, ...]]:
    return {"any": (f"mfsym samplers sims/shapes-{name}.toml -o results/shapes-{name}.nc",)}


def _quotient_flows() -> dict[str, tuple[str, ...]]:
    noises = ("isotropic", "quotient", "drift-form", "horizontal")
    stated = (
        "--problem sims/problems/so2-plane.toml --init wi --alpha 5 --tau 0.2 --beta 0.4 --horizon 4 --snapshots 33"
    )
    return {
        size: tuple(
            f"mfsym simulate {stated} -n {n} --noise {noise} -o results/quotient-flow{SIZES[size]}-{noise}.nc"
            for noise in noises
        )
        for size, n in {"paper": 3000, "laptop": 1000}.items()
    }


def _latents() -> dict[str, tuple[str, ...]]:
    files = {"paper": "latents-study", "laptop": "latents-laptop"}
    return {size: (f"mfsym latents sims/{name}.toml -o results/{name}.nc -j 2",) for size, name in files.items()}


DISCOVERY = {
    "any": (
        "mfsym discover --teacher wi --rule paper -n 1000 --horizon 6 --trainings 32 --snapshots 10"
        " -o results/discovery.nc",
    )
}

FIGURES = {
    "demo": Entry("figure 3 on a small grid", "a sweep with init si", _sweeps("demo", sizes=("demo", "small")), "fig3"),
    "fig1": Entry("distances of trained laws against N, in short", BOTH, _sweeps("fig3", "fig6")),
    "fig2": Entry("discovering E^G: the cloud before and after each step", "a discovery", DISCOVERY),
    "fig3": Entry("distances of laws trained from an SI start, against N", "a sweep with init si", _sweeps("fig3")),
    "fig4": Entry("final clouds of all schemes, WI teacher", "a comparison from an SI start", _compared("wi")),
    "fig5": Entry(
        "final clouds of all schemes, arbitrary teacher", "a comparison from an SI start", _compared("arbitrary")
    ),
    "fig6": Entry("distances of laws trained from a WI start, against N", "a sweep with init wi", _sweeps("fig6")),
    "fig7": Entry("L² distance of the models to their symmetrisation", BOTH, _sweeps("fig3", "fig6")),
    "fig8": Entry("L² distance of the models to the target", BOTH, _sweeps("fig3", "fig6")),
    "fig9": Entry("L² distance of the models to the symmetrised target", BOTH, _sweeps("fig3", "fig6")),
    "fig10": Entry("discovering E^G: RMD² before and after each step", "a discovery", DISCOVERY),
    "convergence": Entry(
        "convergence to the mean-field limit, with fitted rates",
        "a result of converge",
        {
            "long": ("mfsym converge sims/converge.toml --times 1,2,5 -j 2 -o results/converge.nc",),
            "laptop": ("mfsym converge sims/converge-laptop.toml --times 1,2 -j 2 -o results/converge-laptop.nc",),
        },
    ),
    "counterexample": Entry(
        "where every SI law is worse than WI laws",
        "a result of counterexample",
        {"any": ("mfsym counterexample --sizes 50,200,800 --horizon 40 -o results/counterexample.nc",)},
    ),
    "phase": Entry(
        "velocity field of the limit inside E^G",
        "a result of phase",
        {"any": ("mfsym phase --teacher wi --init si -n 256 --beta 0 -o results/phase.nc",)},
    ),
    "quotient-paths": Entry(
        "paths of a diffusion with and without noise along orbits",
        "a result of samplers, one point in the plane",
        _shapes("paths"),
        "quotient_paths",
    ),
    "quotient-populations": Entry(
        "recovered populations of every sampler, the printed sign included",
        "a result of samplers",
        _shapes("plane"),
        "quotient_populations",
    ),
    "quotient-molecules": Entry(
        "conformers of a molecule and their recovered weights",
        "a result of samplers on a molecule",
        _shapes("pentane"),
        "quotient_molecules",
    ),
    "quotient-flow": Entry(
        "mean-field flows under every noise modulo the group",
        "simulations that differ in their noise",
        _quotient_flows(),
        "quotient_flow",
    ),
    "latents": Entry("groups on latents: accuracy of every learner over seeds", "a study of latents", _latents()),
    "latent-orbits": Entry(
        "digits turned by latent actions through the circle, as whole images and in truth",
        "a study of latents",
        _latents(),
        "latent_orbits",
    ),
    "latent-swap": Entry(
        "the varying latents of one image with the invariant ones of another",
        "a study of latents with blocked digits",
        _latents(),
        "latent_swap",
    ),
    "symmetrisers": Entry(
        "read-outs of models that know one side of a symmetry",
        "a study of read-outs",
        {"any": ("mfsym symmetrise sims/symmetrisers.toml -o results/symmetrisers.nc -j 2",)},
    ),
    "ways": Entry(
        "every way a group can enter, on one problem: error against cost",
        "a comparison with read-outs",
        {
            "any": (
                "mfsym compare --problem sims/problems/c4-samples.toml --init wi -n 50 --replicates 5"
                " --readouts equitune,equizero,lambda -j 2 -o results/ways.nc",
            )
        },
    ),
}
"""Name to figure, in the order of ``mfsym list figures``."""


def drawn() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """(file, size, commands, script) of every figure that the Makefile draws."""
    for name, entry in FIGURES.items():
        for size, commands in entry.made.items():
            yield f"{name}{SIZES[size]}", size, commands, f"figures/{name}.py"


def markdown() -> str:
    """The table of ``figures/README.md``: figure, size, command, script."""
    rows = ["| figure | size | command | script |", "|---|---|---|---|"]
    for file, size, commands, script in drawn():
        made = "<br>".join(f"`{command}`" for command in commands)
        rows.append(f"| `{file}` | {size} | {made} | `{script}` |")
    return "\n".join(rows)


def figure(name: str) -> Callable[..., Any]:
    """The function ``draw(*datasets, look=USUAL)`` of a figure: Datasets to a figure of matplotlib.

    Raises MfsymError for an unknown name.
    """
    from mfsym.arguments import as_choice

    entry = FIGURES[as_choice(name, "figure", tuple(FIGURES))]
    module = importlib.import_module(f"mfsym.figures.{entry.module or name}")
    drawing: Callable[..., Any] = module.draw
    return drawing


def main(name: str, argv: Sequence[str] | None = None) -> None:
    """The command line of a script: ``RESULT... OUT.pdf``; writes OUT.pdf and OUT.png.

    Exit code 2 or 3 and one line when a result is unusable.
    """
    parser = argparse.ArgumentParser(description=f"Draw {FIGURES[name].shows}.")
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT", help="a result of mfsym, NetCDF")
    parser.add_argument("out", type=Path, metavar="OUT.pdf", help="the figure; the PNG is written beside it")
    given = parser.parse_args(argv)
    if given.out.suffix not in (".pdf", ".png"):
        parser.error(f"the last argument is the figure to write, NAME.pdf; got {given.out}")
    try:
        from mfsym.figures.drawing import draw_figure

        draw_figure(figure(name), given.results, [given.out.with_suffix(suffix) for suffix in (".png", ".pdf")])
    except MfsymError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
