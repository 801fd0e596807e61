"""Shared by all commands: one-line errors, exit codes, signals."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
import warnings
from types import FrameType
from typing import Any, NoReturn, TextIO

import click

from mfsym.cli.outputs import prepare_streams
from mfsym.errors import MfsymError, MfsymWarning
from mfsym.runtime.origins import command

INTERRUPTED, TERMINATED = 130, 143


class Terminated(BaseException):
    """Raised on SIGTERM; unwinds like KeyboardInterrupt, which ends the workers and removes temporary files."""


def _on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def in_options(message: str) -> str:
    """Translate the error of a Python function to the terms of the command line.

    >>> in_options("retry_failed=True runs it again")
    '--retry-failed runs it again'
    """
    return re.sub(r"\b([a-z_]+)=True\b", lambda found: f"--{found[1].replace('_', '-')}", message)


def fail(message: str, code: int) -> NoReturn:
    """Print one line on standard error and exit."""
    click.echo(f"error: {' '.join(message.split())}", err=True)
    raise SystemExit(code)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of mfsym on one line, and any other warning as Python does."""
    if issubclass(category, MfsymWarning):
        click.echo(f"warning: {message}", file=file, err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), file=file, err=True, nl=False)


class _Pipe(Exception):
    """Carries a BrokenPipeError past click, which would attribute it to standard output and exit silently.

    Our standard streams never raise one (see ``outputs``), so it comes from another pipe, such as a worker's.
    """

    def __init__(self, error: BrokenPipeError) -> None:
        super().__init__(str(error))
        self.error = error


class GuardedGroup(click.Group):
    """A click group that imports commands when called and prints errors on one line, with documented exit codes.

    0 done, 1 finished with failed or diverged cells (or an unexpected error, with its traceback), 2 usage or
    configuration, 3 store unusable, 130 SIGINT, 143 SIGTERM.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; wrap a broken pipe so that click does not catch it."""
        try:
            os.getcwd()
        except FileNotFoundError:
            raise MfsymError("the working directory is gone; change to one that exists") from None
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _Pipe(error) from error

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line and exit."""
        extra["standalone_mode"] = False
        words = args[0] if args else extra.get("args")
        try:
            with command(["mfsym", *map(str, sys.argv[1:] if words is None else words)]):
                code = super().main(*args, **extra)
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            raise SystemExit(2) from None
        except click.ClickException as error:
            fail(error.format_message(), 2)
        except MfsymError as error:
            fail(in_options(str(error)), error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            fail("interrupted; what is done is kept", INTERRUPTED)
        except Terminated:
            fail("terminated; what is done is kept", TERMINATED)
        except _Pipe as carrier:
            raise carrier.error from None
        raise SystemExit(code if isinstance(code, int) else 0)


def guarded_exit(group: click.Group) -> NoReturn:
    """Run the command line of this process; after a signal, exit without waiting for compiled code to return."""
    prepare_streams()
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _on_sigterm)
    code: Any = 0
    try:
        group.main(prog_name="mfsym")
    except SystemExit as stop:
        code = stop.code
    if code in (INTERRUPTED, TERMINATED):
        gc.collect()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
