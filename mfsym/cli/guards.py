"""What every command shares: one-line errors, exit codes, signals."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import click

from mfsym.errors import MfsymError

INTERRUPTED, TERMINATED = 130, 143


class Terminated(BaseException):
    """SIGTERM arrived: unwinds like KeyboardInterrupt, so that workers are ended and temporary files removed."""


def _on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def in_options(message: str) -> str:
    """An error of a Python function in the words of the command line.

    >>> in_options("retry_failed=True runs it again")
    '--retry-failed runs it again'
    """
    return re.sub(r"\b([a-z_]+)=True\b", lambda found: f"--{found[1].replace('_', '-')}", message)


def fail(message: str, code: int) -> NoReturn:
    """Print one line on standard error and exit."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)


def _drop_output() -> None:
    """Nobody reads standard output any more: what is left in its buffer goes nowhere, without a complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class GuardedGroup(click.Group):
    """A click group whose commands load when called and whose errors are one line with the promised exit code.

    0 done, 1 finished with failed or diverged cells (or an unexpected error, with its traceback), 2 usage or
    configuration, 3 store unusable, 130 SIGINT, 143 SIGTERM.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line and exit."""
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            print(error.format_message(), file=sys.stderr)
            raise SystemExit(2) from None
        except click.ClickException as error:
            fail(error.format_message(), 2)
        except MfsymError as error:
            fail(in_options(str(error)), error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            fail("interrupted; what is done is kept", INTERRUPTED)
        except Terminated:
            fail("terminated; what is done is kept", TERMINATED)
        except BrokenPipeError:
            _drop_output()
            raise SystemExit(0) from None
        raise SystemExit(code if isinstance(code, int) else 0)


def guarded_exit(group: click.Group) -> NoReturn:
    """Run the command line of this process; after a signal, leave without waiting for compiled code to return."""
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
