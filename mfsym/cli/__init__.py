"""The command line: click adapters over public Python functions with the same names and results.

Each family of commands has one file, imported when a command is called, so ``mfsym --help`` imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import NoReturn

import click

from mfsym.cli.guards import GuardedGroup, guarded_exit
from mfsym.version import __version__

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Train": {
        "simulate": ("training", "Train one scheme; keep its particles and distances over time."),
        "compare": ("training", "Train all schemes under common random numbers and tabulate them."),
        "counterexample": ("problems", "Train SI and WI laws where SI laws can only be constant."),
    },
    "Limit N -> infinity": {
        "flow": ("flowing", "Compute the limit N -> infinity of one scheme, with an error estimate."),
        "converge": ("converging", "Train over N with replicates against the limit; fit the rates."),
        "phase": ("flowing", "Compute the velocity field of the limit inside E^G, where E^G is a plane."),
    },
    "Shapes modulo rotations": {
        "sample": ("sampling", "Sample shapes or conformers by diffusion modulo rotations."),
        "samplers": ("sampling", "Compare the samplers of a shapes file: recovered populations over seeds."),
    },
    "Latents of an autoencoder": {
        "latent": ("latents", "Train a group action on latents, discover charges, follow an orbit."),
        "latents": ("latent_studies", "Compare ways to turn latents over seeds, beside the baselines."),
    },
    "Discover": {
        "discover": ("discovering", "Find the fixed subspace E^G from data, without using the group."),
    },
    "Measure, draw, cite": {
        "symmetrise": ("symmetrising", "Read a trained model over the orbit of its input, to make it equivariant."),
        "distance": ("distances", "Distance between two clouds, or of one cloud to the symmetric laws."),
        "figure": ("drawing", "Draw a figure of the papers from results, .pdf, .png or .svg."),
        "animate": ("animating", "Write a run as a moving picture, .gif or .mp4."),
        "cite": ("citing", "Print what to cite, as BibTeX."),
    },
    "Sweeps": {
        "sweep": ("sweeping", "Run a grid of cells from a TOML file; resumes by default."),
        "status": ("sweeping", "Count the cells of a sweep: done, failed, missing."),
        "collect": ("sweeping", "Build the result of a sweep from its cells."),
        "verify": ("sweeping", "Check every byte of a result and print its content digest."),
        "table": ("sweeping", "Tabulate a sweep's result."),
        "report": ("sweeping", "Write one self-contained HTML page about a sweep."),
    },
    "Problems": {
        "list": ("listing", "List groups, units, schemes, problems, sims or figures."),
        "init": ("shipping", "Copy a sim or a problem that comes with mfsym, to edit."),
        "check": ("problems", "Check a problem file: symmetry, sizes, data, cost."),
        "config": ("configuring", "Show the resolved configuration and where each value comes from."),
    },
    "Machine and shell": {
        "info": ("machines", "Show versions, processor and threads."),
        "warmup": ("machines", "Compile every kernel now, so that the first run does not wait."),
        "completion": ("shells", "Print the script that completes commands in a shell."),
    },
}
"""Maps each heading to its commands, and each command to its module and one-line help."""

COMMANDS = {name: place for commands in GROUPS.values() for name, place in commands.items()}

FUNCTIONS = {"list": "list_command", "init": "init_command"}
"""Functions whose name differs from that of their command."""


class LazyGroup(GuardedGroup):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Command names, in the typical order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"mfsym.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, FUNCTIONS.get(cmd_name, cmd_name))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings, in aligned columns."""
        width = max(map(len, COMMANDS))
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, (_, text) in commands.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command as click does; an error suggests the nearest name."""
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1, cutoff=0.5)
            hint = f" (did you mean {close[0]!r}?)" if close else f"; known: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {args[0][:80]!r}{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mfsym")
def cli() -> None:
    """Symmetries in wide neural networks: train under symmetry schemes, measure how far the law is from symmetric.

    \b
    Example:
      mfsym compare --teacher wi --init si -n 100 --replicates 10
    """


def main() -> NoReturn:
    """Entry point of the console script."""
    guarded_exit(cli)
