"""Runs every command of README's section Use, and its Python, with the mfsym that is installed; each at small size.

    python .ci/readme_commands.py README.md

Works in an empty folder of its own, away from the checkout, and stops at the first command that fails.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TINY = ["-n", "20", "--horizon", "1"]
SMALL = {
    "compare": [*TINY, "--replicates", "2", "-q"],
    "simulate": [*TINY, "-q"],
    "sweep": ["--set", "n=5,10", "--replicates", "2", "--set", "horizon=1", "-q"],
    "flow": ["-n", "20", "--horizon", "0.5"],
    "converge": ["--sizes", "10,20,40", "--replicates", "3", "--times", "0.5", "--limit-n", "40", "-q"],
    "phase": ["-n", "16", "--horizon", "0.5"],
    "discover": ["-n", "20", "--horizon", "0.5"],
}
"""What makes a command quick: of an option that is given twice the last one counts."""

STUDY = """seeds = 2

[[case]]
name = "C_4 on R^2"
problem = "c4-plane"
rule = "robust"
n = 10
horizon = 0.2
"""
"""Stands for the study of the sim discover, which takes an hour and has no options."""

CLOUDS = """import numpy
for seed, name in enumerate(("a.npy", "b.npy")):
    numpy.save(name, numpy.cos(numpy.arange(60.0) + seed).reshape(15, 4))
"""


def commands(readme: str) -> list[list[str]]:
    """The words of every command in the shell blocks of the section Use."""
    use = readme.partition("## Use\n")[2]
    blocks = re.findall(r"```sh\n(.*?)```", use, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("mfsym ")]
    return [shlex.split(line, comments=True) for line in lines]


def small(words: list[str]) -> list[str]:
    """The same command at small size."""
    if words[1:3] == ["discover", "discover"]:
        return ["mfsym", "discover", "study.toml", *words[3:]]
    return [*words, *SMALL.get(words[1], [])]


def run(words: list[str]) -> None:
    """Run one command and say how long it took; leave with its output and exit code if it fails."""
    started = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    print(f"{time.monotonic() - started:6.1f} s  {shlex.join(words)[:110]}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr)
        sys.exit(f"failed with exit code {done.returncode}")


def main() -> None:
    """Run all of README's commands, then its Python example."""
    readme = Path(sys.argv[1]).read_text(encoding="utf-8")
    binaries = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([binaries, os.environ.get("PATH", "")])
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("study.toml").write_text(STUDY, encoding="utf-8")
        run([sys.executable, "-c", CLOUDS])
        for words in commands(readme):
            run(small(words))
        example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
        assert example is not None, "README has no example in Python"
        run([sys.executable, "-c", example[1]])
        run([sys.executable, "-c", "import mfsym; assert 'site-packages' in mfsym.__file__, mfsym.__file__"])
        os.chdir("/")


if __name__ == "__main__":
    main()
