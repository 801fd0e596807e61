"""Where a result comes from: the command that runs, the time, the commit of the code, the text of the problem."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]

MOST_LETTERS = 20_000
"""Letters of a problem's text that are recorded."""

NOT_RECORDED = "a Python function: not recorded"

_TEXTS: dict[str, str] = {}

_COMMAND: ContextVar[str] = ContextVar("command", default="")


@contextlib.contextmanager
def command(words: Sequence[str]) -> Iterator[None]:
    """Record these words as the command line of what runs inside."""
    token = _COMMAND.set(shlex.join(words))
    try:
        yield
    finally:
        _COMMAND.reset(token)


def caller() -> str:
    """The command line of mfsym that runs; in Python, the script, or "Python" where there is none."""
    if stated := _COMMAND.get():
        return stated
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return f"python {shlex.quote(os.path.basename(script))}" if script else "Python"


def now() -> str:
    """The time, UTC, to the second, in ISO 8601; that of SOURCE_DATE_EPOCH where it is set."""
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(stated), UTC) if stated.isdecimal() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def history() -> str:
    """One line in the manner of the CF conventions: when, and by which command."""
    return f"{now()} {caller()}"


@cache
def commit() -> str:
    """The commit of the clone that the code runs from, with "-dirty" if files were changed since; "" if it is no clone.

    A process asks git once. It is "" too where git is absent or refuses to read the clone.
    """
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return ""
    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def remember(digest: str, path: Path) -> None:
    """Keep the text of a problem file under the digest it was read with."""
    _TEXTS[digest] = file_text(path)


def file_text(path: Path) -> str:
    """The text of a problem file; of one that is too long, its beginning, and a comment that says so."""
    text = path.read_text(encoding="utf-8")
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}\n# the rest is not recorded"


def problem_text(config: Mapping[str, Any]) -> str:
    """The whole text of the problem file that a configuration names; of the reference problem, its teacher.

    config : keys and values, flat or by table.  A problem that was made in Python is "a Python function: not recorded".
    """
    flat = {key: value for key, value in config.items() if not isinstance(value, dict)}
    for table in config.values():
        flat |= table if isinstance(table, dict) else {}
    digest = str(flat.get("problem_digest") or "")
    if digest in _TEXTS:
        return _TEXTS[digest]
    if str(flat.get("problem")).endswith(".toml"):
        return f"not recorded: {Path(str(flat['problem'])).name} of digest {digest} is gone or has changed"
    teachers = flat.get("teacher")
    if flat.get("problem") or not teachers:
        return NOT_RECORDED
    return f"the reference problem, teacher {', '.join(teachers) if isinstance(teachers, list) else teachers}"
