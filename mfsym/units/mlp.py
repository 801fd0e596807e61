"""Units that are multi-layer networks: a representation of the group acts on each hidden layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import numpy as np
from scipy.linalg import block_diag

from mfsym.errors import MfsymError
from mfsym.kernels import deep
from mfsym.kernels.activations import FROM_VALUES
from mfsym.kernels.mlp import GATED, IN_PLACE, NORMED, POINTWISE, Network
from mfsym.representations import Representation, Subspace, hom
from mfsym.representations import trivial as trivial_representation
from mfsym.typing import Floats
from mfsym.units.activations import ACTIVATIONS, AnyActivation, activation_name, as_activation, pointwise
from mfsym.units.base import Unit


@dataclass(frozen=True)
class Gated:
    """Gated neurons: a vector a in any orthogonal representation, multiplied by s(g) for an extra invariant neuron g.

    rep : Representation of the neurons.  activation : s, a name in ACTIVATIONS or an Activation.
    """

    rep: Representation
    activation: AnyActivation = "sigmoid"


@dataclass(frozen=True)
class Normed:
    """Norm-activated neurons: a vector a in any orthogonal representation, multiplied by s(|a|^2).

    rep : Representation of the neurons.  activation : s, a name in ACTIVATIONS or an Activation.
    """

    rep: Representation
    activation: AnyActivation = "sigmoid"


Part = Representation | Gated | Normed
Hidden = Part | Sequence[Part]
Placed = tuple[Part, AnyActivation | None]
"""A part of a layer and its pointwise activation, None for none."""


class _Layer:
    """An affine layer and its nonlinearity, with its representations and the position of its parameters in z."""

    def __init__(self, below: Representation, parts: Sequence[Placed], bias: bool, start: int) -> None:
        reps = [part if isinstance(part, Representation) else part.rep for part, _ in parts]
        gates = sum(isinstance(part, Gated) for part, _ in parts)
        self.below, self.bias = below, bias
        self.carried = reduce(add, reps)
        self.width = self.carried.dim
        self.preactivation = self.carried
        if gates:
            self.preactivation = self.carried + trivial_representation(below.group, gates)
        self.inputs, self.outputs = below.dim, self.preactivation.dim
        self.weights = start
        self.biases = start + self.inputs * self.outputs
        self.stop = self.biases + (self.outputs if bias else 0)
        self.rows = self.outputs + sum(isinstance(part, Normed) for part, _ in parts)
        self.maps = list(_maps(parts, self.width, self.outputs))

    @property
    def in_place(self) -> bool:
        """Whether kernels can overwrite preactivations: every slope is a function of the activation's value."""
        codes = [part.line[-1] if part.kind == POINTWISE else -1 for part in self.maps]
        return all(code in FROM_VALUES for code in codes)

    @property
    def actions(self) -> list[Representation]:
        """The actions on the weights and on the biases."""
        return [hom(self.below, self.preactivation)] + ([self.preactivation] if self.bias else [])

    def affine(self, h: Floats, z: Floats) -> Floats:
        """Preactivations (B, N, outputs) from the layer below (B, N, inputs) and parameters z (N, p)."""
        weights = z[:, self.weights : self.biases].reshape(-1, self.outputs, self.inputs)
        a = np.einsum("njk,bnk->bnj", weights, h)
        return a + z[:, self.biases : self.stop] if self.bias else a

    def pull_affine(self, e: Floats, h: Floats, z: Floats, gradient: Floats) -> Floats:
        """Cotangents (B, N, inputs) of the inputs; adds those of the parameters, summed over B, to ``gradient``."""
        weights = z[:, self.weights : self.biases].reshape(-1, self.outputs, self.inputs)
        gradient[:, self.weights : self.biases] += np.einsum("bnj,bnk->njk", e, h).reshape(len(z), -1)
        if self.bias:
            gradient[:, self.biases : self.stop] += e.sum(axis=0)
        return np.einsum("njk,bnj->bnk", weights, e)

    def activate(self, a: Floats) -> Floats:
        """The layer's outputs (B, N, width) from its preactivations."""
        h = a[..., : self.width].copy()
        for part in self.maps:
            value = part.function(part.argument(a))
            h[..., part.slice] = value if part.kind == POINTWISE else a[..., part.slice] * value
        return h

    def pull_activation(self, e: Floats, a: Floats) -> Floats:
        """Cotangents of the preactivations from those (B, N, width) of the outputs."""
        down = np.zeros_like(a)
        down[..., : self.width] = e
        for part in self.maps:
            argument = part.argument(a)
            if part.kind == POINTWISE:
                down[..., part.slice] = e[..., part.slice] * part.slope(argument)
                continue
            inner = (e[..., part.slice] * a[..., part.slice]).sum(axis=-1, keepdims=True) * part.slope(argument)
            down[..., part.slice] = e[..., part.slice] * part.function(argument)
            if part.kind == GATED:
                down[..., part.gate : part.gate + 1] = inner
            else:
                down[..., part.slice] += 2.0 * inner * a[..., part.slice]
        return down


@dataclass(frozen=True)
class _Map:
    """A nonlinearity on the neurons first .. first + size - 1 of a layer: one row of ``Network.maps``."""

    kind: int
    first: int
    size: int
    gate: int
    activation: AnyActivation

    @property
    def slice(self) -> slice:
        return slice(self.first, self.first + self.size)

    def argument(self, a: Floats) -> Floats:
        """The argument of the activation."""
        if self.kind == POINTWISE:
            return a[..., self.slice]
        if self.kind == GATED:
            return a[..., self.gate : self.gate + 1]
        return np.asarray((a[..., self.slice] ** 2).sum(axis=-1, keepdims=True))

    def function(self, a: Floats) -> Floats:
        return pointwise(self.activation)[0](a)

    def slope(self, a: Floats) -> Floats:
        return pointwise(self.activation)[1](a)

    @property
    def line(self) -> list[int]:
        code = list(ACTIVATIONS).index(activation_name(self.activation))
        return [self.kind, self.first, self.size, self.gate, code]


def _maps(parts: Sequence[Placed], width: int, outputs: int) -> Iterator[_Map]:
    first, gate, norm = 0, width, outputs
    for part, activation in parts:
        if isinstance(part, Representation):
            if activation is not None:
                yield _Map(POINTWISE, first, part.dim, 0, activation)
            first += part.dim
        elif isinstance(part, Gated):
            yield _Map(GATED, first, part.rep.dim, gate, part.activation)
            first, gate = first + part.rep.dim, gate + 1
        else:
            yield _Map(NORMED, first, part.rep.dim, norm, part.activation)
            first, norm = first + part.rep.dim, norm + 1


class MLPUnit(Unit):
    """A unit that is a network of any depth: h_l = s(W_l h_{l-1} + b_l), sigma(x, z) = W h + b.

    activation : of the pointwise layers.  rho_x, rho_y : actions on inputs and outputs.
    hidden : one entry per hidden layer: a Representation (with pointwise activation; a permutation, or a signed
    permutation for odd activations), ``Gated(rep)`` or ``Normed(rep)`` (any orthogonal representation), or a sequence
    of these, which are concatenated. None: one layer with the regular representation of a finite group.
    biases : whether hidden layers have biases, one flag for all or one per layer.
    output_bias : whether the last layer has a bias.
    output_linear : whether the last layer has no activation.

    z = (W_1, b_1, W_2, b_2, ...), matrices row by row, a gate's weights after its layer's. M acts on W_l as rho_l W_l
    rho_{l-1}^T and on b_l as rho_l, so E^G is the space of equivariant networks of this shape.
    NotEquivariant if a pointwise activation does not commute with the representation on its layer.

    >>> from mfsym.groups import cyclic
    >>> turns = cyclic(4)
    >>> unit = MLPUnit("sigmoid", turns.vector(), turns.trivial(1), hidden=[turns.trivial(1)])   # W s(A x + b)
    >>> unit.p, unit.fixed_subspace.dimension
    (4, 2)
    """

    name = "mlp"
    code = 2
    advice = "use permutations (signed for odd activations) on hidden layers; wrap others in Gated or Normed"

    def __init__(
        self,
        activation: AnyActivation,
        rho_x: Representation,
        rho_y: Representation,
        hidden: Sequence[Hidden] | None = None,
        *,
        biases: bool | Sequence[bool] = True,
        output_bias: bool = False,
        output_linear: bool = True,
    ) -> None:
        layers = _hidden_layers(rho_x, hidden)
        flags = [biases] * len(layers) if isinstance(biases, bool) else list(biases)
        if len(flags) != len(layers):
            raise MfsymError(f"biases must be one flag or one per hidden layer ({len(layers)}), got {len(flags)}")
        self.layers: list[_Layer] = []
        below, start = rho_x, 0
        output: list[Part] = [rho_y]
        for parts, bias in zip([*layers, output], [*flags, output_bias], strict=True):
            last = len(self.layers) == len(layers)
            applied = None if last and output_linear else as_activation(activation)
            for part in parts:
                _check_part(part, rho_x)
            layer = _Layer(below, [(part, applied) for part in parts], bool(bias), start)
            self.layers.append(layer)
            below, start = layer.carried, layer.stop
        super().__init__(activation, rho_x, rho_y)

    @cached_property
    def network(self) -> Network:
        """The tables that describe this unit to compiled kernels (see ``kernels.mlp``)."""
        layers: list[list[int]] = []
        maps: list[list[int]] = []
        row, wide = 0, self.d
        for layer in self.layers:
            slopes = row if layer.in_place else row + layer.rows
            bias = layer.biases if layer.bias else -1
            lines = [[IN_PLACE, *part.line[1:]] if layer.in_place else part.line for part in layer.maps]
            bounds = [len(maps), len(maps) + len(lines)]
            layers.append([layer.inputs, layer.outputs, layer.weights, bias, row, slopes, *bounds])
            maps += lines
            row, wide = slopes + layer.rows, max(wide, layer.rows)
        shaped = np.array(maps, dtype=np.int64).reshape(-1, 5)
        return Network(np.array(layers, dtype=np.int64), shaped, self.layers[-1].stop, row, wide)

    @cached_property
    def fixed_subspace(self) -> Subspace:
        """E^G, the parameters that M fixes: the equivariant networks. Computed layer by layer."""
        return Subspace(block_diag(*[action.fixed_subspace().basis for action in self._actions]))

    @property
    def _actions(self) -> list[Representation]:
        return [action for layer in self.layers for action in layer.actions]

    def _induced_action(self) -> Representation:
        return reduce(add, self._actions)

    @property
    def compiled(self) -> bool:
        known = all(isinstance(part.activation, str) for layer in self.layers for part in layer.maps)
        return known and self._computes_as(MLPUnit)

    def _predict(self, x: Floats, z: Floats) -> Floats:
        if not self.compiled:
            return super()._predict(x, z)
        return deep.predict_network(self.network, x, z, self.c)

    def _run(self, x: Floats, z: Floats) -> tuple[list[Floats], list[Floats]]:
        """Inputs of every layer and the outputs, (B, N, .); preactivations of every layer."""
        values = [np.broadcast_to(x[:, None, :], (len(x), len(z), self.d))]
        preactivations = []
        for layer in self.layers:
            preactivations.append(layer.affine(values[-1], z))
            values.append(layer.activate(preactivations[-1]))
        return values, preactivations

    def _sigma(self, x: Floats, z: Floats) -> Floats:
        return self._run(x, z)[0][-1]

    def _pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        values, preactivations = self._run(x, z)
        gradient = np.zeros_like(z)
        e = np.broadcast_to(r[:, None, :], values[-1].shape)
        for layer, below, a in zip(self.layers[::-1], values[-2::-1], preactivations[::-1], strict=True):
            e = layer.pull_affine(layer.pull_activation(e, a), below, z, gradient)
        return gradient


def _hidden_layers(rho_x: Representation, hidden: Sequence[Hidden] | None) -> list[list[Part]]:
    if hidden is None:
        if rho_x.group.order is None:
            raise MfsymError(
                f"give hidden for {rho_x.group.name}: an infinite group has no finite regular representation"
            )
        return [[rho_x.group.regular()]]
    return [list(entry) if isinstance(entry, Sequence) else [entry] for entry in hidden]


def _check_part(part: Part, rho_x: Representation) -> None:
    if not isinstance(part, Part):
        raise MfsymError(f"a hidden layer must be a Representation, Gated or Normed, got {part!r}")
    rep = part if isinstance(part, Representation) else part.rep
    if rep.group != rho_x.group:
        raise MfsymError(
            f"hidden layers need representations of {rho_x.group.name}, got one of {rep.group.name}; restrict it"
        )
    if not isinstance(part, Representation):
        as_activation(part.activation)
