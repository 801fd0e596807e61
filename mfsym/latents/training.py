"""Training of an encoder and a decoder under a latent action. Needs the extra ``jax``.

Batches come from ``PairSource.draw`` and initial weights from ``mfsym.streams``, so a training is a function of its
arguments, up to the rounding of the machine's matrix products in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_choice, as_floats, as_number, as_whole
from mfsym.errors import Diverged, MfsymError
from mfsym.latents.checkpoints import LatentCheckpoint
from mfsym.latents.losses import consistency as consistency_loss
from mfsym.latents.losses import cycle as cycle_loss
from mfsym.latents.losses import restriction
from mfsym.latents.pairs import PairSource
from mfsym.runtime.progress import Progress
from mfsym.stores.archives import arrays_digest
from mfsym.streams import normals, stream, stream_key
from mfsym.typing import Floats

WIDTH, ENCODER_DEPTH, DECODER_DEPTH = 256, 1, 2
"""Units of a hidden layer, and hidden layers of each network."""

AT_ONCE = 100
"""Steps whose batches are drawn together and that run as one compiled loop."""

SLOWER_AFTER, SLOWER = 0.7, 0.3
"""After this share of the steps the rate is multiplied by SLOWER."""

NAMES = ("encoder", "decoder")


def require_jax() -> tuple[Any, Any, Any]:
    """The modules jax, equinox and optax; MfsymError that says what to install where one is missing."""
    try:
        import equinox
        import jax
        import optax
    except ImportError as error:
        raise MfsymError(
            f"learned latents need jax, equinox and optax ({error.name} is missing): pip install 'mfsym[jax]'"
        ) from None
    return jax, equinox, optax


class TrainedLatent:
    """An encoder and a decoder, trained under an action.

    parameters : (encoder, decoder), equinox modules of one input (pixels,) and of one latent (dim,).
    history : (K,) mean loss of each hundred steps, |x|^2.
    """

    def __init__(self, action: Any, parameters: tuple[Any, Any], history: Floats | None = None) -> None:
        jax, equinox, _ = require_jax()
        self.action, self.parameters = action, parameters
        self.history = np.zeros(0) if history is None else history
        self._maps = [equinox.filter_jit(partial(_mapped, jax, network)) for network in parameters]

    def encode(self, x: ArrayLike) -> Floats:
        """Latents (n, dim) of inputs (n, pixels)."""
        return np.asarray(self._maps[0](as_floats(x, "x").astype(np.float32)), dtype=np.float64)

    def decode(self, z: ArrayLike) -> Floats:
        """Inputs (n, pixels) of latents (n, dim)."""
        return np.asarray(self._maps[1](as_floats(z, "z").astype(np.float32)), dtype=np.float64)

    def to_arrays(self) -> dict[str, Floats]:
        """Every array of both networks by name, in the order of their leaves."""
        jax, equinox, _ = require_jax()
        found: dict[str, Floats] = {}
        for name, network in zip(NAMES, self.parameters, strict=True):
            leaves = jax.tree_util.tree_leaves(equinox.filter(network, equinox.is_array))
            found |= {f"{name}.{k}": np.asarray(leaf, dtype=np.float64) for k, leaf in enumerate(leaves)}
        return found

    @classmethod
    def from_arrays(
        cls, action: Any, arrays: Mapping[str, ArrayLike], encoder: Any = None, decoder: Any = None
    ) -> TrainedLatent:
        """The networks with these arrays.

        encoder, decoder : modules of the same shapes, if they were not the package's own.
        """
        jax, equinox, _ = require_jax()
        parts: dict[str, list[Any]] = {name: [] for name in NAMES}
        for name in NAMES:
            while f"{name}.{len(parts[name])}" in arrays:
                parts[name].append(np.asarray(arrays[f"{name}.{len(parts[name])}"]))
        if not (parts["encoder"] and parts["decoder"]):
            raise MfsymError("a trained latent needs the arrays encoder.0, ... and decoder.0, ...")
        pixels = int(parts["encoder"][0].shape[-1])
        own = _networks(action.dim, pixels, 0)
        networks = []
        for name, given, default in zip(NAMES, (encoder, decoder), own, strict=True):
            weights, rest = equinox.partition(default if given is None else given, equinox.is_array)
            leaves, tree = jax.tree_util.tree_flatten(weights)
            if [leaf.shape for leaf in leaves] != [part.shape for part in parts[name]]:
                raise MfsymError(f"the arrays are of another {name}; hand over a module of their shapes")
            made = [jax.numpy.asarray(part, dtype=leaf.dtype) for part, leaf in zip(parts[name], leaves, strict=True)]
            networks.append(equinox.combine(jax.tree_util.tree_unflatten(tree, made), rest))
        return cls(action, (networks[0], networks[1]))

    def __repr__(self) -> str:
        return f"<TrainedLatent of {self.action!r}>"


@dataclass(frozen=True)
class TrainingSettings:
    """Numbers of a training; MfsymError for one out of range.

    steps, batch_size : whole, >= 1.  rate : of Adam, > 0; after 70 % of the steps it falls to three tenths.
    consistency, cycle : weights of the optional terms of the loss, >= 0; .02 and 1e-4 are usual.  seed : whole.
    """

    steps: int = 4000
    batch_size: int = 128
    rate: float = 1e-3
    consistency: float = 0.0
    cycle: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        as_whole(self.steps, "steps", 1)
        as_whole(self.batch_size, "batch_size", 1, 10**6)
        as_number(self.rate, "rate", above=0.0)
        as_number(self.consistency, "consistency", least=0.0)
        as_number(self.cycle, "cycle", least=0.0)
        as_whole(self.seed, "seed", 0)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> TrainingSettings:
        """The settings given by name; MfsymError for a name that is none."""
        for name in given:
            as_choice(name, "the name of an argument", [field.name for field in fields(cls)])
        return cls(**given)


def train(
    action: Any,
    pairs: PairSource,
    *,
    encoder: Any = None,
    decoder: Any = None,
    progress: Progress | None = None,
    checkpoint: Path | str | None = None,
    **settings: Any,
) -> TrainedLatent:
    """Minimise the restriction loss by Adam.

    action : a ``LatentAction``, or anything with ``dim``, ``act`` and ``inverse`` in JAX.
    encoder, decoder : equinox modules of one row, (pixels,) -> (dim,) and back; by default perceptrons of 256 units
    with one and two hidden layers, ELU, and a sigmoid at the end.
    progress : is told of every step.  checkpoint : a file that is written every thousand steps and at the end, and from
    which an interrupted training goes on to the very same weights.
    settings : steps, batch_size, rate, consistency, cycle, seed, as in ``TrainingSettings``.
    Raises MfsymError without the extra ``jax``, for another network or the checkpoint of another training,
    Diverged if the loss is not finite.
    """
    jax, equinox, optax = require_jax()
    chosen = TrainingSettings.of(settings)
    own = _networks(action.dim, pairs.pixels, chosen.seed)
    networks = (own[0] if encoder is None else encoder, own[1] if decoder is None else decoder)
    _check(jax, networks, pairs.pixels, action.dim)
    weights, rest = equinox.partition(networks, equinox.is_inexact_array)
    schedule = optax.piecewise_constant_schedule(chosen.rate, {round(SLOWER_AFTER * chosen.steps): SLOWER})
    optimiser = optax.adam(schedule)
    state = optimiser.init(weights)
    objective = _objective(jax, equinox, rest, action, (chosen.consistency, chosen.cycle))
    advance = jax.jit(_advance(jax, optax, optimiser, objective))
    file = LatentCheckpoint(checkpoint, {} if checkpoint is None else _identity(jax, action, pairs, weights, chosen))
    weights, state, history = _resumed(jax, file, weights, state)
    for first in range(AT_ONCE * len(history), chosen.steps, AT_ONCE):
        here = min(AT_ONCE, chosen.steps - first)
        batches = _batches(pairs, chosen.seed, first // AT_ONCE, here, chosen.batch_size)
        weights, state, loss = advance(weights, state, *batches)
        history.append(float(loss))
        if not np.isfinite(history[-1]):
            raise Diverged(f"the training did not stay finite at a rate of {chosen.rate:g}; lower the rate", step=first)
        file.write(jax.tree_util.tree_leaves((weights, state)), history, last=first + here == chosen.steps)
        if progress is not None:
            for step in range(first, first + here):
                progress.cell(f"step {step + 1}")
    return TrainedLatent(action, equinox.combine(weights, rest), np.array(history))


def _identity(jax: Any, action: Any, pairs: PairSource, weights: Any, chosen: TrainingSettings) -> dict[str, Any]:
    """What determines a training: settings, action, initial weights, and the data by their first batch."""
    start = {f"leaf.{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree_util.tree_leaves(weights))}
    batch = dict(zip(("x1", "x2", "g"), _batches(pairs, chosen.seed, 0, 1, chosen.batch_size), strict=True))
    digests = {"start": arrays_digest(start), "batch": arrays_digest(batch)}
    return {**asdict(chosen), "action": repr(action), "pixels": pairs.pixels, **digests}


def _resumed(jax: Any, file: LatentCheckpoint, weights: Any, state: Any) -> tuple[Any, Any, list[float]]:
    """Weights, state of the optimiser and losses from a checkpoint, or those of the start."""
    found = file.read()
    if found is None:
        return weights, state, []
    leaves, tree = jax.tree_util.tree_flatten((weights, state))
    made = [jax.numpy.asarray(part, dtype=leaf.dtype) for part, leaf in zip(found[0], leaves, strict=True)]
    return *jax.tree_util.tree_unflatten(tree, made), found[1]


def _networks(dim: int, pixels: int, seed: int) -> tuple[Any, Any]:
    """Perceptrons whose weights are N(0, 1 / fan-in), biases 0."""
    jax, equinox, _ = require_jax()
    sizes = ((pixels, dim, ENCODER_DEPTH, lambda x: x), (dim, pixels, DECODER_DEPTH, jax.nn.sigmoid))
    made = []
    for number, (inside, outside, depth, last) in enumerate(sizes):
        network = equinox.nn.MLP(
            inside, outside, WIDTH, depth, activation=jax.nn.elu, final_activation=last, key=jax.random.key(0)
        )
        key = stream(seed, "init").child("network", number).key
        layers = []
        for place, layer in enumerate(network.layers):
            rows, columns = layer.weight.shape
            weight = normals(key, place, rows, columns).astype(np.float32) / np.float32(np.sqrt(columns))
            new = jax.numpy.asarray(weight), jax.numpy.zeros(rows, dtype=np.float32)
            layers.append(equinox.tree_at(lambda each: (each.weight, each.bias), layer, new))
        made.append(equinox.tree_at(lambda each: each.layers, network, tuple(layers)))
    return made[0], made[1]


def _check(jax: Any, networks: tuple[Any, Any], pixels: int, dim: int) -> None:
    """MfsymError unless the encoder maps inputs to latents, and the decoder latents to inputs."""
    for name, network, inside, outside in zip(NAMES, networks, (pixels, dim), (dim, pixels), strict=True):
        try:
            found = jax.eval_shape(network, jax.ShapeDtypeStruct((inside,), np.float32)).shape
        except (TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:120]
            raise MfsymError(f"the {name} must be a module of one row ({inside},): {reason}") from error
        if found != (outside,):
            raise MfsymError(f"the {name} must map ({inside},) to ({outside},), got {found}; change it or the action")


def _batches(pairs: PairSource, seed: int, chunk: int, steps: int, size: int) -> tuple[Any, ...]:
    """x1, x2 (steps, B, pixels) and g (steps, B, ...), float32; the first of AT_ONCE batches if there are fewer."""
    drawn = pairs.draw(stream_key(seed, "data"), chunk, steps * size)
    return tuple(part.reshape(steps, size, *part.shape[1:]).astype(np.float32) for part in drawn)


def _mapped(jax: Any, network: Any, rows: Any) -> Any:
    return jax.vmap(network)(rows)


def _objective(
    jax: Any, equinox: Any, rest: Any, action: Any, extra: tuple[float, float]
) -> Callable[[Any, Any, Any, Any], Any]:
    """The loss of weights on a batch (x1, x2, g)."""

    def objective(weights: Any, x1: Any, x2: Any, g: Any) -> Any:
        encode, decode = (partial(_mapped, jax, network) for network in equinox.combine(weights, rest))
        loss = restriction(encode, decode, action, x1, x2, g)
        if extra[0]:
            loss = loss + extra[0] * consistency_loss(encode, decode, action, x1, x2, g)
        if extra[1]:
            loss = loss + extra[1] * cycle_loss(encode, decode, action, x1, x2, g)
        return loss

    return objective


def _advance(jax: Any, optax: Any, optimiser: Any, objective: Callable[..., Any]) -> Any:
    """A function that makes as many steps as it is given batches, and the mean loss over them."""

    def step(carried: Any, batch: Any) -> Any:
        weights, state = carried
        value, slope = jax.value_and_grad(objective)(weights, *batch)
        updates, state = optimiser.update(slope, state, weights)
        return (optax.apply_updates(weights, updates), state), value

    def advance(weights: Any, state: Any, x1: Any, x2: Any, g: Any) -> Any:
        (weights, state), values = jax.lax.scan(step, (weights, state), (x1, x2, g))
        return weights, state, jax.numpy.mean(values)

    return advance
