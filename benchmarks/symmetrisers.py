"""What a read-out costs beyond the forward passes of its model: 1,000 images of 28 x 28 under C_4, in pairs.

``python -m benchmarks.symmetrisers``: of each pair, one call of the read-out and one of the model on the same views,
made beforehand; processor time, the median of the ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

import mfsym as mf
from mfsym.groups import cyclic, trivial
from mfsym.problems.symmetries import pixels
from mfsym.schemes.arrays import Array
from mfsym.schemes.models import EnsembleModel
from mfsym.schemes.networks import ScoreNetwork
from mfsym.streams import normals, stream_key, uniforms

IMAGES, SIDE, PAIRS = 1000, 28, 31


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def models() -> dict[str, tuple[Callable[[Array], Array], np.ndarray]]:
    """Models by name, and images in the precision they work in."""
    x, key = uniforms(stream_key(0, "data"), 0, IMAGES, SIDE**2), stream_key(0, "init")
    unit = mf.UVUnit("tanh", trivial().trivial(SIDE**2), trivial().trivial(10))
    ensemble = EnsembleModel(unit, normals(key, 0, 200, unit.p))
    return {
        "network 784-128-10, float32": (ScoreNetwork.drawn((784, 128, 10)), x.astype(np.float32)),
        "network 784-512-256-10, float32": (ScoreNetwork.drawn((784, 512, 256, 10)), x.astype(np.float32)),
        "ensemble of 200 uv units, float64": (ensemble, x),
    }


def main() -> None:
    """Print one line for each model and read-out."""
    rho = pixels(cyclic(4), SIDE)
    for name, (model, x) in models().items():
        readers = {
            "equitune": mf.symmetrise(model, rho),
            "equizero": mf.symmetrise(model, rho, how="equizero"),
        }
        for how, reader in readers.items():
            views = np.ascontiguousarray(reader.x_nodes.images(x).reshape(-1, SIDE**2))
            pairs = [(seconds(partial(reader, x)), seconds(partial(model, views))) for _ in range(PAIRS)]
            ratios = np.median([whole / bare - 1.0 for whole, bare in pairs])
            bare = np.median([bare for _, bare in pairs])
            print(f"{name:36s} {how:9s} passes {1e3 * bare:7.1f} ms, beyond them {100.0 * ratios:5.1f} %")


if __name__ == "__main__":
    main()
