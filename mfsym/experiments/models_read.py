"""Any model and its read-out on the inputs of a file, and a run of mfsym on its problem: records of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.configurations.cells import Cell
from mfsym.dynamics.fitting import fit_weights
from mfsym.errors import MfsymError
from mfsym.experiments.cells import GIVEN, problem_of
from mfsym.experiments.readings import NONE, Reader, check_readings
from mfsym.groups.characters import has_components
from mfsym.problems.fields import GroupTable
from mfsym.problems.symmetries import build_group, build_representation
from mfsym.schemes import get_scheme
from mfsym.schemes.readouts import symmetrise
from mfsym.schemes.symmetrisers import OrbitReader, Symmetriser
from mfsym.stores import open_result
from mfsym.stores.clouds import load_cloud
from mfsym.stores.npy import MAX_BYTES, UNREADABLE, Npz

Arrays = dict[str, NDArray[Any]]

CHECKED = 8
"""Rows of the data on which actions are checked to be actions."""


def labelled(path: Path) -> Arrays:
    """The arrays x (B, ...) and, if there, y (B, ...) of an .npz file. Loading runs no code.

    MfsymError, naming the file, for another format, no x, or a y of another length.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MfsymError(f"{path}: larger than {MAX_BYTES} bytes")
        with path.open("rb") as stream:
            archive = Npz(stream, path.stat().st_size)
            found: Arrays = {name: archive.read(name) for name in ("x", "y") if name in archive.names}
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise MfsymError(f"{path}: not an archive of arrays: {' '.join(str(error).split())[:200]}") from error
    if "x" not in found:
        raise MfsymError(f"{path}: must hold inputs named x; save them by numpy.savez(file, x=...)")
    if any(values.ndim < 1 or len(values) != len(found["x"]) or not len(values) for values in found.values()):
        shapes = ", ".join(f"{name} {values.shape}" for name, values in found.items())
        raise MfsymError(f"{path}: x and y must have the same number of rows, at least one, got {shapes}")
    return found


def reader_of(
    model: Any, words: Mapping[str, Any], how: str, options: Mapping[str, Any], fit: Arrays | None = None
) -> Symmetriser:
    """The read-out of a model whose group and actions are words of problem files.

    words : "group", "x", "y"; an action may be a function as well, and y None.  options : of ``symmetrise``.
    fit : labelled inputs to which the weights of how = "lambda" are fitted, by the cross-entropy of class numbers or
    one-hot rows of logits where y are whole, and by squares otherwise.
    """
    group = build_group(GroupTable(name=words["group"]), Path())
    rho_x, rho_y = (
        build_representation(words[key], group, Path(), key) if isinstance(words[key], str) else words[key]
        for key in ("x", "y")
    )
    if fit is None:
        return symmetrise(model, rho_x, rho_y, how, group=group, **options)
    if how != "lambda" or "weights" in options:
        raise MfsymError("fit is about lambda without weights of its own; leave it out")
    if "y" not in fit:
        raise MfsymError("weights are fitted to labels: the file must also hold y")
    loss = "cross-entropy" if fit["y"].dtype.kind in "iu" else "quadratic"
    return fit_weights(symmetrise(model, rho_x, rho_y, group=group, **options), fit["x"], fit["y"], loss=loss)


def read_model(reader: Symmetriser, data: Arrays) -> tuple[dict[str, Any], Arrays]:
    """What a read-out makes of inputs: a record of numbers, and arrays by name.

    data : x (B, ...); y are class numbers (B,) or (B, 1), for accuracies, or outputs, for mean squared errors.
    Record: passes, rows; change, the root mean square of read-out minus model; spread, that of the model over the
    orbit; defects, irrep to its share of the mean of |T|^2, where the irreps of the group are listed: "trivial" is
    that of the mean over the orbit, the others tell how the model is not equivariant; scores of model and read-out.
    Arrays: read (B, ...), outputs (B, K, ...), weights (B, K), chosen_node (B,) and proxies where there are some.
    MfsymError for actions that are none on these rows.
    """
    reader.check(data["x"][:CHECKED])
    size, split = reader.batch_size, has_components(reader.group)
    rows = len(data["x"]) if size is None else max(1, size // reader.passes)
    found: dict[str, list[NDArray[Any]]] = {}
    for first in range(0, len(data["x"]), rows):
        x = data["x"][first : first + rows]
        table = reader.orbit(x)
        parts = {"read": table.value, "bare": reader.model(x), "outputs": table.outputs, "weights": table.weights}
        parts["chosen_node"] = table.chosen_node
        parts |= {} if table.proxies is None else {"proxies": table.proxies}
        if isinstance(reader, OrbitReader):
            parts |= {"spread": table.spread}
            parts |= {f"defect {name}": each for name, each in table.defects().items()} if split else {}
        for name, values in parts.items():
            found.setdefault(name, []).append(np.asarray(values))
    arrays = {name: np.concatenate(values) for name, values in found.items()}
    defects = {name: float(arrays.pop(name).mean()) for name in list(arrays) if name.startswith("defect ")}
    record: dict[str, Any] = {"how": reader.how, "group": reader.group.name, "passes": reader.passes}
    record |= {"rows": len(data["x"]), "change": _size(arrays["read"] - arrays["bare"])}
    if "spread" in arrays:
        record["spread"] = _size(arrays["spread"])
    if defects:
        total = sum(defects.values()) or 1.0
        record["defects"] = {name.removeprefix("defect "): value / total for name, value in defects.items()}
    if "y" in data:
        record |= _scores("model", arrays["bare"], data["y"]) | _scores("read", arrays["read"], data["y"])
    return record, arrays


def _size(values: NDArray[Any]) -> float:
    """The root of the mean square norm of rows."""
    return float(np.sqrt((values.reshape(len(values), -1).astype(np.float64) ** 2).sum(axis=1).mean()))


def _scores(whose: str, outputs: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    """The accuracy where y are class numbers, the mean squared error where they are like the outputs."""
    flat = y.reshape(len(y), -1)
    if outputs.ndim == 2 and flat.shape[1] == 1 < outputs.shape[1]:
        return {f"accuracy_{whose}": float((outputs.argmax(axis=1) == flat[:, 0]).mean())}
    if y.shape != outputs.shape:
        raise MfsymError(f"y must be class numbers (B,) or like the outputs {outputs.shape}, got shape {y.shape}")
    return {f"error_{whose}": _size(outputs - y) ** 2}


def read_run(path: str, name: str) -> dict[str, Any]:
    """The model of a run of ``simulate`` at its last time, and behind a reading, on the run's problem.

    name : in ``readings.READINGS``; weights are fitted as ``compare`` fits them.  Record: scheme, readout, and for
    "model" and "read" the risk, its error, the equivariance error, the accuracy of classes, and passes.
    """
    dataset = open_result(path)
    try:
        cell = Cell.from_dict(json.loads(dataset.attrs["config"]))
    except (KeyError, TypeError, ValueError):
        raise MfsymError(f"{path}: must be a run of mfsym simulate, whose configuration it holds") from None
    if cell.problem == GIVEN:
        raise MfsymError(f"{path}: its problem {cell.teacher!r} was a Python object; use mf.symmetrise in Python")
    problem = problem_of(cell)
    check_readings([name], problem)
    z = load_cloud(path)
    scheme = get_scheme(cell.schemes[0], problem.unit)
    reader = Reader(scheme, problem, z, cell.seed, cell.replicate)
    record: dict[str, Any] = {"scheme": scheme.name, "readout": name, "loss": problem.loss}
    for whose, each in (("model", NONE), ("read", name)):
        record |= {f"{key.replace('_read', '')}_{whose}": value for key, value in reader.row(each).items()}
        record[f"passes_{whose}"] = reader.passes(each)
    return record
