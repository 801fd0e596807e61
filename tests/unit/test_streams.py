"""mfsym.streams: the definition of every draw, and its statistics."""

import itertools
from math import factorial

import numpy as np
import pytest

from mfsym import streams
from mfsym.streams import (
    LANES,
    PARTS,
    STREAMS,
    bits,
    layer_key,
    nested,
    normals,
    philox,
    sequence_normals,
    stream,
    stream_key,
    uniforms,
)
from tests.sizes import sized
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(11, "noise")


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, words):
    assert philox(np.array(counter, np.uint32), np.array(key, np.uint32)).tolist() == words


def test_philox_treats_counters_one_by_one():
    counters = np.arange(24, dtype=np.uint32).reshape(2, 3, 4)
    together = philox(counters, KEY)
    assert together.shape == (2, 3, 4)
    for index in itertools.product(range(2), range(3)):
        assert np.array_equal(together[index], philox(counters[index], KEY))


def test_the_layout_is_as_documented():
    step = (5 << 32) + 9
    drawn = bits(KEY, step, 4 * LANES, 5)
    for row, c in [(0, 0), (1, 1), (LANES - 1, 2), (LANES, 0), (2 * LANES, 3), (3 * LANES + 7, 4)]:
        block = LANES * (row // (2 * LANES)) + row % LANES
        words = philox(np.array([block, c // 2, 9, 5], np.uint32), KEY)
        assert drawn[row, c] == words[2 * ((row // LANES) % 2) + c % 2]


@pytest.mark.parametrize("draw", [bits, uniforms, normals])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 3), (64, 2), (65, 4), (128, 5), (130, 1), (0, 3), (4, 0)])
def test_fewer_rows_or_coordinates_are_a_prefix(draw, n, m):
    assert np.array_equal(draw(KEY, 3, n, m), draw(KEY, 3, 300, 6)[:n, :m])


def test_no_two_blocks_of_a_step_share_a_word():
    words = bits(KEY, 0, 2000, 6)
    assert len(np.unique(words)) > words.size - 5


def test_keys_differ_by_seed_stream_and_replicate():
    keys = [
        tuple(stream_key(seed, stream, replicate))
        for seed, stream, replicate in itertools.product([0, 1, -1, 2**40], STREAMS, [0, 1, 10])
    ]
    assert len(set(keys)) == len(keys)
    assert np.array_equal(stream_key(3, "data", 2), stream_key(np.int64(3), "data", np.int64(2)))
    with pytest.raises(ValueError, match="stream must be one of init, data"):
        stream_key(0, "sideways")


def test_uniforms_lie_strictly_inside_the_unit_interval(monkeypatch):
    for word in (0, 2**32 - 1):
        monkeypatch.setattr(streams, "bits", lambda key, step, n, m, word=word: np.full((n, m), word, np.uint32))
        assert 0.0 < uniforms(KEY, 0, 1, 1)[0, 0] < 1.0
        assert np.isfinite(normals(KEY, 0, 2, 2)).all()


def test_normals_are_box_muller_of_the_uniform_words():
    words = bits(KEY, 2, 50, 4).astype(np.float64)
    z = normals(KEY, 2, 50, 4)
    radius2 = z[:, 0::2] ** 2 + z[:, 1::2] ** 2
    assert np.abs(np.exp(-0.5 * radius2) - (words[:, 0::2] + 0.5) / 2.0**32).max() < ALGEBRA
    angle = np.arctan2(z[:, 1::2], z[:, 0::2]) / (2.0 * np.pi) % 1.0
    assert np.abs(angle - words[:, 1::2] / 2.0**32).max() < ALGEBRA
    assert np.abs(z).max() <= np.sqrt(2.0 * 33 * np.log(2.0))


def test_normals_have_the_moments_of_a_normal():
    z = normals(KEY, 0, sized(200_000, 20_000), 2).ravel()
    scores = moment_scores(z)
    assert np.abs(scores).max() < STAT
    assert np.abs(moment_scores(1.05 * z)).max() > STAT
    assert np.abs(moment_scores(z + 0.05)).max() > STAT


def moment_scores(z):
    """Scores of the sample moments of orders 1 to 8 against those of N(0, 1)."""
    exact = [0.0 if k % 2 else factorial(k) / (2.0 ** (k // 2) * factorial(k // 2)) for k in range(17)]
    power, scores = np.ones_like(z), []
    for k in range(1, 9):
        power *= z
        scores.append((power.mean() - exact[k]) / np.sqrt((exact[2 * k] - exact[k] ** 2) / z.size))
    return np.array(scores)


@pytest.mark.parametrize(("first", "count", "m"), [(0, 10, 2), (60, 10, 3), (130, 300, 1), (5, 0, 2)])
def test_a_sequence_does_not_depend_on_where_it_is_cut(first, count, m):
    whole = sequence_normals(KEY, 0, 500, m)
    assert np.array_equal(sequence_normals(KEY, first, count, m), whole[first : first + count])
    assert np.array_equal(whole, normals(KEY, 0, 500, m))


def test_a_sequence_goes_on_in_the_next_step(monkeypatch):
    monkeypatch.setattr(streams, "SEQUENCE_ROWS", 128)
    drawn = sequence_normals(KEY, 100, 200, 2)
    expected = np.concatenate([normals(KEY, 0, 128, 2)[100:], normals(KEY, 1, 128, 2), normals(KEY, 2, 128, 2)[:44]])
    assert np.array_equal(drawn, expected)


@pytest.mark.parametrize(
    ("other_key", "other_step"),
    [
        (stream_key(11, "noise"), 1),
        (stream_key(11, "data"), 0),
        (stream_key(12, "noise"), 0),
        (stream_key(11, "noise", 1), 0),
        (stream_key(11, "noise"), 1 << 32),
    ],
    ids=["step", "stream", "seed", "replicate", "high step"],
)
def test_streams_steps_seeds_and_replicates_are_uncorrelated(other_key, other_step):
    n = sized(100_000, 10_000)
    a, b = normals(KEY, 0, n, 2), normals(other_key, other_step, n, 2)
    assert correlation_score(a, b) < STAT
    assert correlation_score(a**2 - 1.0, b**2 - 1.0) < STAT
    assert correlation_score(a, b + 0.1 * a) > STAT


def correlation_score(a, b):
    """|score| of the correlation between two samples."""
    return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) * np.sqrt(a.size)


def test_a_stream_and_its_children_keep_the_keys_of_the_past():
    """Layers move the second word, parts number themselves below their replicate: results kept so far stay the same."""
    assert np.array_equal(stream(3, "noise", 2).key, stream_key(3, "noise", 2))
    part = stream(3, "init", 2).child("part", 5)
    assert np.array_equal(part.key, stream_key(3, "init", (2 << 20) + 5))
    assert np.array_equal(part.child("part", 7).key, stream_key(3, "init", (((2 << 20) + 5) << 20) + 7))
    moved = stream_key(3, "noise") + np.array([0, 3 * 0x9E3779B9 & 0xFFFFFFFF], np.uint32)
    assert np.array_equal(stream(3, "noise").child("layer", 3).key, moved)
    assert np.array_equal(layer_key(stream_key(3, "noise"), 0), stream_key(3, "noise"))


def test_children_of_any_kind_are_streams_of_their_own():
    root = stream(3, "noise")
    family = [root, *(root.child(kind, index) for kind in ("layer", "view", "shard") for index in (1, 2))]
    family += [root.child("view", 1).child("shard", 2), root.child("shard", 2).child("view", 1), root.child("part", 4)]
    assert len({member.key.tobytes() for member in family}) == len(family)
    draws = np.array([normals(member.key, 0, 4096, 1)[:, 0] for member in family])
    correlation = np.corrcoef(draws) - np.eye(len(family))
    assert np.abs(correlation).max() * np.sqrt(4096) < STAT + 1.0


def test_a_part_has_a_number_of_its_own_or_is_refused():
    numbers = [nested(replicate, a, b) for replicate in (1, 2) for a in (0, PARTS - 1) for b in (0, PARTS - 1)]
    assert len(set(numbers)) == len(numbers)
    for part in (-1, PARTS):
        with pytest.raises(ValueError, match="a part must be from 0"):
            nested(0, part)
