"""The command symmetrise: any model read over the orbit of its input; and the study of read-outs."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from mfsym.cli.files import SIM
from mfsym.cli.options import (
    Name,
    Whole,
    format_option,
    jobs_option,
    keep_and_print,
    output_file,
    verbosity,
    verbosity_options,
)
from mfsym.errors import MfsymError

HOWS = ("equitune", "equizero", "lambda", "canonical")
OF_MODELS = ("model", "group", "x", "y", "weights", "frame", "reads")
"""Options about models that are not runs of mfsym."""

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@click.command()
@click.argument("source", required=False, metavar="[RUN.nc|STUDY.toml]", type=SIM)
@click.option("--how", type=Name(HOWS), help="The read-out.  [default: equitune]")
@click.option("--model", metavar="MODULE:NAME", help="A function of a batch; importing it runs its code.")
@click.option("--group", metavar="GROUP", help='As in problem files: "cyclic(4)".')
@click.option("--x", metavar="ACTION", help='On inputs: "pixels(28)", or MODULE:NAME of (element, batch) -> batch.')
@click.option("--y", metavar="ACTION", help='On outputs: "trivial(10)".  [default: they do not move]')
@click.option("--data", metavar="FILE", help="Inputs x, and y if known, .npz.")
@click.option("--proxy", metavar="NAME", help="Proxy of equizero: max-score, max-prob, entropy or MODULE:NAME.")
@click.option("--reads", type=Name(("outputs", "inputs")), help="What a user-defined proxy reads.")
@click.option("--weights", metavar="MODULE:NAME", help="Weights of lambda and canonical: maps views to numbers >= 0.")
@click.option("--fit", metavar="FILE", help="For lambda: fit the weights to x and y of this file, .npz.")
@click.option("--frame", metavar="MODULE:NAME", help="Frame of canonical: maps inputs to group elements.")
@click.option("--batch-size", type=Whole(1), help="Most rows that the model sees at once.")
@click.option("--check", is_flag=True, help="Of a study: exit with 1 where a mean leaves its range.")
@click.option("-o", "--out", help="Also write what was read: .npz of --data, the Dataset .nc of a study.")
@jobs_option
@format_option("text", "json")
@verbosity_options
def symmetrise(source: Path | None, out: str | None, form: str, **given: Any) -> None:
    """Read a trained model over the orbit of its input, and say how far that moves it.

    Of a run the last particles are read, on its own problem. --model imports a function, from the current folder or
    an installed package, and runs its code: name only what you trust.

    \b
    Examples:
      mfsym symmetrise run.nc --how equitune --format json
      mfsym symmetrise --model package.module:function --group "cyclic(4)" --x "pixels(28)" --y "trivial(10)" \\
          --data digits.npz --how equizero --proxy max-score --format json
      mfsym symmetrise --model package.module:function --group "cyclic(4)" --x "pixels(28)" --y "trivial(10)" \\
          --data digits.npz --how lambda --fit labelled.npz
      mfsym symmetrise symmetrisers --check -j 2 -o results/symmetrisers.nc
    """
    if source is not None and source.suffix.lower() == ".toml":
        _study(source, out, form, given)
        return
    if given["check"]:
        raise MfsymError("check is about a study: give its file, .toml")
    if (source is None) == (given["model"] is None):
        raise MfsymError("symmetrise needs a run, .nc, or a model: --model MODULE:NAME")
    record = _of_run(str(source), out, given) if source is not None else _of_model(out, given)
    click.echo(json.dumps(record) if form == "json" else "\n".join(lines_of(record)))


def lines_of(record: dict[str, Any]) -> list[str]:
    """A line for each number of a record; of those by irrep one each."""
    defects = {f"defect {name}": share for name, share in record.get("defects", {}).items()}
    flat = {name: value for name, value in record.items() if name != "defects"} | defects
    return [f"{name:24s} {f'{value:.6g}' if isinstance(value, float) else value}" for name, value in flat.items()]


def _study(path: Path, out: str | None, form: str, given: dict[str, Any]) -> None:
    """Run the study of a file and tabulate it."""
    for name in ("how", *OF_MODELS, "data", "proxy", "fit", "batch_size"):
        if given[name] is not None:
            raise MfsymError(f"--{name.replace('_', '-')} is about a model; of a study leave it out")
    target = output_file(out)
    from mfsym.configurations.symmetrisers import read_symmetrisers
    from mfsym.experiments.readout_studies import means_of, outside_ranges, study_readouts, study_rows
    from mfsym.sweeps.tables import aligned

    study = read_symmetrisers(path)
    loudness = verbosity(given["quiet"], given["verbose"])
    dataset = study_readouts(study, jobs=given["jobs"], verbosity=loudness)
    wrong = outside_ranges(dataset, study)
    means = [{"model": model, "readout": name, "mean": mean} for (model, name), mean in means_of(dataset).items()]
    text = json.dumps({"means": means, "outside": wrong}) if form == "json" else aligned(study_rows(dataset))
    keep_and_print(dataset, target, text)
    if given["check"] and wrong:
        raise OutsideRange("; ".join(wrong))


class OutsideRange(MfsymError):
    """A study with a mean outside the range that its file states."""

    exit_code = 1


def _of_run(run: str, out: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The model of a run before and behind a read-out, on the problem that it was trained on."""
    from mfsym.experiments.models_read import read_run
    from mfsym.experiments.readings import as_readings

    for name in (*OF_MODELS, "data", "fit", "batch_size"):
        if given[name] is not None:
            raise MfsymError(f"--{name.replace('_', '-')} is about --model; a run states its own problem")
    if out is not None:
        raise MfsymError("--out is about --data; of a run nothing is written")
    how, proxy = given["how"] or "equitune", given["proxy"]
    if proxy is not None and how != "equizero":
        raise MfsymError(f"--proxy is about --how equizero, got {how}")
    (name,) = as_readings([how if proxy is None else f"{how}:{proxy}"])
    return read_run(run, name)


def _of_model(out: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """What a read-out makes of a function on the inputs of a file."""
    for name in ("group", "x", "data"):
        if given[name] is None:
            raise MfsymError(f"--model needs --{name}")
    if given["how"] == "lambda" and given["weights"] is None and given["fit"] is None:
        raise MfsymError("--how lambda needs --fit FILE, inputs x with labels y, or --weights MODULE:NAME")
    if given["how"] == "canonical" and given["frame"] is None:
        raise MfsymError("--how canonical needs --frame MODULE:NAME, which maps inputs to group elements")
    path = output_file(out, ".npz")
    from mfsym.experiments.models_read import labelled, read_model, reader_of

    data = labelled(Path(given["data"]))
    fit = None if given["fit"] is None else labelled(Path(given["fit"]))
    words = {key: given[key] for key in ("group", "x", "y")}
    words |= {key: imported(words[key]) for key in ("x", "y") if words[key] and FUNCTION.fullmatch(words[key])}
    options = {key: imported(given[key]) for key in ("weights", "frame") if given[key] is not None}
    proxy = given["proxy"]
    if proxy is not None:
        options["proxy"] = imported(proxy) if FUNCTION.fullmatch(proxy) else proxy
    options |= {key: given[key] for key in ("reads", "batch_size") if given[key] is not None}
    reader = reader_of(imported(given["model"]), words, given["how"] or "equitune", options, fit)
    record, arrays = read_model(reader, data)
    if path is not None:
        from mfsym.stores import encode, publish

        publish(path, encode(arrays, {"command": "mfsym symmetrise", "how": reader.how}))
    return record


def imported(text: str) -> Any:
    """The object that MODULE:NAME names, found in the current folder or among installed packages.

    Runs the code of the module. MfsymError if there is no such module or name; what the module raises is passed on.
    """
    if not FUNCTION.fullmatch(text):
        raise MfsymError(f"a function must be given as MODULE:NAME, got {text[:80]!r}")
    module, _, name = text.partition(":")
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise MfsymError(f"no module {module!r} here or among the installed packages") from None
    finally:
        sys.path.remove(here)
    found = getattr(loaded, name, None)
    if not callable(found):
        raise MfsymError(f"the module {module!r} has no function {name!r}")
    return found
