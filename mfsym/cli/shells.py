"""The command completion: shell completion of commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mfsym.cli.options import Name


@click.command()
@click.argument("shell", type=Name(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and names in SHELL: bash, zsh or fish.

    \b
    Example:
      eval "$(mfsym completion bash)"                  # in ~/.bashrc
      eval "$(mfsym completion zsh)"                   # in ~/.zshrc
      mfsym completion fish > ~/.config/fish/completions/mfsym.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    script = found(ctx.find_root().command, {}, "mfsym", "_MFSYM_COMPLETE")
    click.echo(script.source_template % script.source_vars())
