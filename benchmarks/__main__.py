"""Run the benchmarks: ``python -m benchmarks [PART ...] [--quick]``; those of PARTS if none is named."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

OUT = Path(__file__).with_name("out")
SNAPSHOT = Path(__file__).with_name("results")
PARTS = ("engine", "transport", "quotients")
ASKED = ("engines", "device", "start")
"""Parts that run only when they are named."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join((*PARTS, *ASKED))} (default: the first {len(PARTS)})"
    )
    parser.add_argument("--quick", action="store_true", help="two sizes, three schemes, no PyTorch: under 2 minutes")
    parser.add_argument("--sizes", type=_names, help="engine: particles, as in 100,5000")
    parser.add_argument("--schemes", type=_names, help="engine: schemes, as in vanilla,fa")
    parser.add_argument("--contenders", type=_names, help="engine: contenders, as in mfsym,c,jax")
    parser.add_argument("--rounds", type=int, help="engine: interleaved runs of each")
    parser.add_argument("--before", type=Path, help="start: a checkout of an earlier commit, to compare")
    parser.add_argument("--snapshot", action="store_true", help="copy tables and pictures to benchmarks/results")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results (default: benchmarks/out)")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - {*PARTS, *ASKED}
    if unknown:
        parser.error(f"a part is one of {', '.join((*PARTS, *ASKED))}, got {', '.join(sorted(unknown))}")
    return arguments


def _engine(arguments: argparse.Namespace) -> None:
    from benchmarks import engine

    settings = engine.QUICK if arguments.quick else engine.Settings()
    if arguments.sizes:
        settings = replace(settings, sizes=tuple(int(n) for n in arguments.sizes))
    for name in ("schemes", "contenders", "rounds"):
        if getattr(arguments, name):
            settings = replace(settings, **{name: getattr(arguments, name)})
    engine.main(settings, arguments.out)


def _keep(part: str, out: Path) -> None:
    SNAPSHOT.mkdir(exist_ok=True)
    for name in (f"{part}.md", f"{part}.png"):
        if (out / name).exists():
            shutil.copyfile(out / name, SNAPSHOT / name)


def main() -> None:
    """The command line."""
    arguments = _arguments()
    parts = arguments.parts or list(PARTS)
    if "engine" in parts:
        _engine(arguments)
    if "transport" in parts:
        if importlib.util.find_spec("benchmarks.transport") is None:
            print("benchmarks/transport.py is not here: the transport benchmarks are left out")
            return
        transport = importlib.import_module("benchmarks.transport")
        transport.main(quick=arguments.quick, out=arguments.out)
    if "quotients" in parts:
        from benchmarks import orbits

        orbits.main(quick=arguments.quick, out=arguments.out)
    if "engines" in parts:
        from benchmarks import engines

        engines.main(quick=arguments.quick, out=arguments.out)
    if "device" in parts:
        from benchmarks import device

        device.main(quick=arguments.quick, out=arguments.out)
    if "start" in parts:
        from benchmarks import start

        start.main(arguments.out, before=arguments.before, quick=arguments.quick)
    for part in parts if arguments.snapshot else ():
        _keep(part, arguments.out)


if __name__ == "__main__":
    main()
