"""Mutated configurations are answered in one line: exit 0, 2 or 3, no traceback, at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mfsym.streams import bits, stream_key

ROOT = Path(__file__).parents[2]
SEEDS = [path.read_bytes() for path in sorted((ROOT / "sims").glob("*.toml"))]
SPLICES = [
    b"nan", b"inf", b"-1", b"0", b"1e400", b"9" * 400, b"[[", b"]]", b'"""', b"\x00", b"\xff\xfe", b"true", b"{}",
    b"[sweep]\n", b"[training]\nalpha=[1,2]\n", b"n=[1000000000000]\n", b"replicates=999999999\n", b"'", b"=", b"\n",
    b"alpha.b=1\n", b"seed=-1\n", b"scheme=[]\n", b"dtype='x'\n", b"horizon=1e300\n", b"[a.b.c]\n", b"1979-05-27",
    b"[" * 300,
]  # fmt: skip


def mutate(index: int) -> bytes:
    """The index-th mutated file: some splices, cuts, swaps and flips, the same in every run."""
    words = iter(bits(stream_key(index, "bootstrap"), 0, 40, 1).ravel().tolist())
    text = bytearray(SEEDS[next(words) % len(SEEDS)])
    for _ in range(1 + next(words) % 4):
        at, kind = next(words) % (len(text) + 1), next(words) % 4
        if kind == 0:
            text[at:at] = SPLICES[next(words) % len(SPLICES)]
        elif kind == 1:
            del text[at : at + next(words) % 30]
        elif kind == 2 and text:
            text[at % len(text)] ^= 1 << (next(words) % 8)
        else:
            end = at + next(words) % 30
            text[at:at] = text[at:end]
    return bytes(text)


def _answers(mfsym: Callable[..., Result], folder: Path, indices: range) -> None:
    sim, out = folder / "sim.toml", folder / "a.nc"
    codes = dict.fromkeys((0, 2, 3), 0)
    for index in indices:
        sim.write_bytes(mutate(index))
        for arguments in (("config", "show", sim), ("sweep", sim, "-o", out, "--dry-run")):
            started = time.monotonic()
            result = mfsym(*arguments)
            assert time.monotonic() - started < 2.0, index
            assert result.exit_code in codes, (index, result.output)
            assert result.stderr.count("\n") == (result.exit_code != 0), (index, result.stderr)
            codes[result.exit_code] += 1
    assert codes[0] > 0
    assert codes[2] > 0
    assert sorted(path.name for path in folder.iterdir()) == ["sim.toml"]


def test_500_mutated_configurations_are_answered(mfsym: Callable[..., Result], tmp_path: Path) -> None:
    _answers(mfsym, tmp_path, range(500))


@pytest.mark.torture
def test_50000_mutated_configurations_are_answered(mfsym: Callable[..., Result], tmp_path: Path) -> None:
    _answers(mfsym, tmp_path, range(500, 50_500))
