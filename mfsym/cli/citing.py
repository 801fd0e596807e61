"""The command cite: BibTeX entries."""

from __future__ import annotations

import click


@click.command()
def cite() -> None:
    """Print BibTeX of the papers behind mfsym, each with what rests on it, and of mfsym itself.

    \b
    Example:
      mfsym cite > mfsym.bib
    """
    from mfsym.runtime.references import bibtex

    click.echo(bibtex())
