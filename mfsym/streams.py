"""Randomness as a pure function of (seed, replicate, stream, step, index).

A draw is one block of Philox4x32-10 (Salmon, Moraes, Dror & Shaw, SC 2011, doi:10.1145/2063384.2063405) at the counter
(index, coordinate, step), under a 64-bit key made from (seed, replicate, stream). There is no generator state, so
results cannot depend on chunking, threads, workers or restarts. This module is the reference implementation, in NumPy;
the compiled twin is ``mfsym.kernels.noise``.

Layout: one block of four words covers two rows, LANES apart, and one pair of coordinates, so that a compiled loop over
consecutive rows writes contiguous memory and draws only the requested coordinates. Row i and coordinate c are
word 2 h + c % 2 of the block at counter (LANES (i // 2 LANES) + i % LANES, c // 2, step_low, step_high), where
h = (i // LANES) % 2. Fewer rows or coordinates give a prefix of the same draws.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole

STREAMS = ("init", "data", "noise", "haar", "teacher", "bootstrap", "null", "nodes")
"""Names of the independent streams of one replicate."""

LANES = 64
"""Distance of the two rows that share a block; see the layout above."""

SEQUENCE_ROWS = 1 << 20
"""Rows per step in a sequence of samples."""

PARTS = 1 << 20
"""Largest number of parts of a replicate, and of subparts of a part."""

_MASK = np.uint64(0xFFFFFFFF)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LAYER = 0x9E3779B9


def stream_key(seed: int, stream: str, replicate: int = 0) -> NDArray[np.uint32]:
    """The 64-bit Philox key (two uint32 words) of one stream of one replicate of one seed."""
    if stream not in STREAMS:
        raise ValueError(f"stream must be one of {', '.join(STREAMS)}, got {stream!r}")
    return _hashed(f"mfsym:{as_whole(seed, 'seed')}:{as_whole(replicate, 'replicate')}:{stream}")


def _hashed(text: str) -> NDArray[np.uint32]:
    """A key made from 64 bits of the digest of a text."""
    return np.frombuffer(hashlib.blake2b(text.encode(), digest_size=8).digest(), dtype="<u4").astype(np.uint32)


def nested(replicate: int, *parts: int) -> int:
    """The replicate number of part ``parts[0]`` of a replicate, then of part ``parts[1]`` of that part, and so on.

    ValueError unless 0 <= part < PARTS. Parts of different replicates have different numbers, but a part and a whole
    replicate can share one.
    """
    for part in parts:
        if not 0 <= part < PARTS:
            raise ValueError(f"a part must be from 0 to {PARTS - 1}, got {part}")
        replicate = replicate * PARTS + part
    return replicate


@dataclass(frozen=True)
class Stream:
    """A random stream and its children: ``stream(seed, "noise", replicate).child("layer", 3)``.

    name : one of STREAMS.  below : (kind, index) of each generation below the stream of the replicate.
    Streams with different seed, name, replicate or child are independent, with one exception that keeps earlier results
    reproducible: a child of kind "part" uses the replicate number from ``nested``, which may equal that of a whole
    replicate.
    """

    seed: int
    name: str
    replicate: int = 0
    below: tuple[tuple[str, int], ...] = ()

    def child(self, kind: str, index: int) -> Stream:
        """Child ``index`` of the given kind, such as a layer of a network or a part of a replicate."""
        if kind == "part" and not self.below:
            return replace(self, replicate=nested(self.replicate, index))
        return replace(self, below=(*self.below, (kind, as_whole(index, kind, 0))))

    @property
    def key(self) -> NDArray[np.uint32]:
        """The 64-bit Philox key, two uint32 words.

        A layer shifts the second word of its parent's key, so that compiled code needs no hashing. Any other child
        hashes its parent's key with its kind and index.
        """
        key = stream_key(self.seed, self.name, self.replicate)
        for kind, index in self.below:
            key = layer_key(key, index) if kind == "layer" else _hashed(f"{key.tobytes().hex()}:{kind}:{index}")
        return key


def stream(seed: int, name: str, replicate: int = 0) -> Stream:
    """The stream ``name`` of a replicate and seed; ValueError for a name not in STREAMS."""
    stream_key(seed, name, replicate)
    return Stream(seed, name, replicate)


def layer_key(key: NDArray[np.uint32], layer: int) -> NDArray[np.uint32]:
    """The key of ``child("layer", layer)`` of the stream with this key."""
    return key + np.array([0, layer * _LAYER & 0xFFFFFFFF], dtype=np.uint32)


def philox(counter: NDArray[np.uint32], key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Philox4x32-10: counters (..., 4) and key (2,) to uniform words (..., 4), all uint32."""
    c0, c1, c2, c3 = (counter[..., k].astype(np.uint64) for k in range(4))
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(_ROUNDS):
        low, high = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (high >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            high & _MASK,
            (low >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            low & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def bits(key: NDArray[np.uint32], step: int, n: int, m: int) -> NDArray[np.uint32]:
    """Uniform 32-bit words (n, m) of the given step: rows are indices, columns coordinates."""
    groups, pairs = -(-n // (2 * LANES)), (m + 1) // 2
    counter = np.zeros((groups * LANES, pairs, 4), dtype=np.uint32)
    counter[..., 0] = np.arange(groups * LANES)[:, None]
    counter[..., 1] = np.arange(pairs)
    counter[..., 2] = step & 0xFFFFFFFF
    counter[..., 3] = step >> 32
    words = philox(counter, key).reshape(groups, LANES, pairs, 2, 2)
    return words.transpose(0, 3, 1, 2, 4).reshape(groups * 2 * LANES, 2 * pairs)[:n, :m]


def uniforms(key: NDArray[np.uint32], step: int, n: int, m: int) -> NDArray[np.float64]:
    """Uniform draws (n, m) on the open interval (0, 1), float64 with 32 random bits."""
    return (bits(key, step, n, m).astype(np.float64) + 0.5) * 2.0**-32


def normals(key: NDArray[np.uint32], step: int, n: int, m: int) -> NDArray[np.float64]:
    """Standard normal draws (n, m), float64: Box-Muller on the pairs of coordinates (0, 1), (2, 3), ...

    The words (a, b) give sqrt(-2 log u) cos(2 pi w) and sqrt(-2 log u) sin(2 pi w) with u = (a + 1/2) / 2^32 and
    w = b / 2^32. |draw| <= 6.77.
    """
    words = bits(key, step, n, 2 * ((m + 1) // 2)).astype(np.float64)
    radius = np.sqrt(-2.0 * np.log((words[:, 0::2] + 0.5) * 2.0**-32))
    angle = 2.0 * np.pi * 2.0**-32 * words[:, 1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs.reshape(words.shape)[:, :m]


def sequence_normals(key: NDArray[np.uint32], first: int, count: int, m: int) -> NDArray[np.float64]:
    """Standard normals (count, m) of the samples first, first + 1, ... of an endless sequence.

    Sample q is row q % SEQUENCE_ROWS of step q // SEQUENCE_ROWS, independently of how samples are grouped into batches.
    """
    parts = []
    for step in range(first // SEQUENCE_ROWS, (first + count - 1) // SEQUENCE_ROWS + 1):
        low = max(0, first - step * SEQUENCE_ROWS)
        high = min(SEQUENCE_ROWS, first + count - step * SEQUENCE_ROWS)
        parts.append(normals(key, step, high, m)[low:])
    return np.concatenate(parts) if parts else np.zeros((0, m))
