"""Layers, checks, cells and preflight of the configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import numpy as np
import pytest

from mfsym.cli.flowing import moments_of, sizes_of
from mfsym.cli.options import Number, Whole
from mfsym.configurations import Cell, axes, count, expand, load
from mfsym.configurations.cells import SCHEMA_VERSION
from mfsym.configurations.discoveries import read_study
from mfsym.configurations.fields import TABLES, key_tables
from mfsym.configurations.loading import parse_schemes, single_cell
from mfsym.configurations.parameters import PARAMETERS
from mfsym.configurations.preflight import check, check_cell, estimate, human_bytes, human_seconds
from mfsym.configurations.texts import MAX_FILE_BYTES
from mfsym.configurations.values import parse_value
from mfsym.errors import MfsymError

ROOT = Path(__file__).parents[3]


def _file(folder: Path, text: str) -> Path:
    path = folder / "sim.toml"
    path.write_text(text)
    return path


def test_every_parameter_is_a_key_with_a_meaning() -> None:
    for table, struct in TABLES.items():
        assert [each.key.name for each in PARAMETERS.values() if each.table == table] == list(struct.__struct_fields__)
    assert {each.key.name for each in PARAMETERS.values()} == set(key_tables())
    assert all(each.doc and each.key.doc for each in PARAMETERS.values())


def test_each_layer_wins_over_the_ones_below_it(tmp_path: Path) -> None:
    path = _file(tmp_path, "[sweep]\nseed = 1\n[training]\nalpha = 1\ntau = 1\nbeta = 1\n")
    resolved = load(
        path,
        assignments=["alpha=3", "training.tau=3", "seed=3"],
        options={"seed": 4, "replicates": None},
        environment={"MFSYM_ALPHA": "2", "MFSYM_BETA": "2", "OTHER": "9", "MFSYM_CACHE_DIR": "/x"},
    )
    values = resolved.values
    assert (values["seed"], values["alpha"], values["tau"], values["beta"]) == (4, 3.0, 3.0, 2.0)
    assert values["batch_size"] == 20
    origins = resolved.origins
    assert origins["seed"] == "command line"
    assert origins["alpha"] == "--set"
    assert origins["beta"] == "environment"
    assert origins["batch_size"] == "default"
    assert "file" in load(path, environment={}).origins["alpha"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sweep]\nteachers = ['wi']", "unknown key 'teachers'.*did you mean 'teacher'"),
        ("[swep]\nn = 5", r"unknown table \[swep\].*did you mean 'sweep'"),
        ("n = 5", "unknown table"),
        ("sweep = 5", "must be a table"),
        ("[sweep]\nn = [5, 5]", "must not repeat"),
        ("[sweep]\nn = []", "at least one"),
        ("[sweep]\nn = [0]", ">= 1"),
        ("[sweep]\nn = 5.5", "n .file.* must be a whole number >= 1, got 5.5"),
        ("[sweep]\nn = true", "whole number >= 1, got True"),
        ("[sweep]\nscheme = ['FA']", "must be one of da, da-sampled, ea, fa, vanilla, got 'FA' .did you mean 'fa'"),
        ("[training]\nalpha = nan", "must be finite"),
        ("[training]\nalpha = [1, inf]", "must be finite"),
        ("[training]\nalpha = 0", "> 0"),
        ("[training]\nbeta = -1", ">= 0"),
        ("[training]\nalpha = 'x'", "must be a number > 0, got 'x'"),
        ("[training", "not valid TOML"),
        ("[sweep]\nalpha = 5", r"unknown key 'alpha' in \[sweep\]: alpha belongs in \[training\]"),
        ("[training]\nn = 5", r"n belongs in \[sweep\]"),
        ("alpha = 5", r"unknown table \[alpha\]: alpha belongs in \[training\]"),
        ("[training]\nunit = 'mtrix'", "must be one of matrix, uv, got 'mtrix' .did you mean 'matrix'"),
        ("[training]\nalpha = .5", "at line 2.*digits on both sides: write 0.5 for .5$"),
        ("[training]\nalpha = [1.0,\n  -5.e3]", "at line 3.*write -5.0e3 for -5.e3$"),
        ("[sweep]\nseed = " + "9" * 5000, "TOML|digits|int"),
        ("[sweep]\nn = " + "[" * 5000, "TOML|nested"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(MfsymError, match=words) as caught:
        load(_file(tmp_path, text), environment={})
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf[training]\r\nalpha = 7\r\n")
    assert load(path, environment={}).values["alpha"] == 7.0
    path.write_bytes(b"\xef\xbb\xbfseeds = 2e0\n[[case]]\nname = 'a'\nn = 1e1\n")
    assert read_study(path).case[0].n == 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n = 2.5", "n .case 1 of .*whole number >= 1, got 2.5"),
        ("nn = 2", "unknown key 'nn' .case 1 .*did you mean 'n'"),
    ],
)
def test_study_files_are_checked_as_sweep_files_are(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(MfsymError, match=words):
        read_study(_file(tmp_path, f"[[case]]\nname = 'a'\n{text}\n"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-3", 1e-3),
        ("+.5e1", 5.0),
        ("1_000", 1000.0),
        ("05", 5.0),
        ("5", 5.0),
        ("0x10", 16.0),
    ],
)
def test_a_number_means_the_same_wherever_it_is_read(text: str, value: float) -> None:
    assert load(assignments=[f"alpha={text}"], environment={}).values["alpha"] == value
    assert load(environment={"MFSYM_ALPHA": text}).values["alpha"] == value
    assert Number(0.0).convert(text, None, None) == value
    for listed in (f"{text},9", f"[{text}, 9.]"):
        assert load(assignments=[f"alpha={listed}"], environment={}).values["alpha"] == [value, 9.0]
    if value.is_integer():
        assert Whole(1).convert(text, None, None) == value
        assert load(assignments=[f"n={text}"], environment={}).values["n"] == [int(value)]
        assert sizes_of(f"{text},20000", "--sizes") == [int(value), 20000]
    assert moments_of(f"{text},2000", "--times") == [value, 2000.0]


@pytest.mark.parametrize(
    "text", ["1,5e", "0,5", "5..", ".", "1__0", "\uff15", "five", "1 2", "--5", "9" * 5000, "true", "2020-01-01"]
)
def test_what_is_no_number_is_none_anywhere(text: str) -> None:
    if text != "0,5":
        with pytest.raises(MfsymError, match=r"alpha \(--set\) must be"):
            load(assignments=[f"alpha={text}"], environment={})
    for kind in (Number(), Whole(1)):
        with pytest.raises(click.UsageError, match="must be"):
            kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("unit=mtrix", "must be one of matrix, uv, got 'mtrix' .did you mean 'matrix'"),
        ("scheme=FA", "must be one of da, da-sampled, ea, fa, vanilla, got 'FA' .did you mean 'fa'"),
        ("teacher=x", "must be one of arbitrary, si, wi, got 'x'$"),
        ("alhpa=3", "did you mean 'alpha'.*; known: activation, alpha, "),
        ("sweep.alpha=3", r"alpha belongs in \[training\]"),
    ],
)
def test_invalid_names_are_answered_with_the_valid_ones(assignment: str, words: str) -> None:
    with pytest.raises(MfsymError, match=f"--set.*{words}"):
        load(assignments=[assignment], environment={})


def test_the_identity_of_a_cell_is_what_it_was() -> None:
    """Stored cells are found under these names: they may not change within a version of the schema."""
    assert Cell().identity == "13fd9dec53ba5e5dc0ce90dec4cadbe0"
    cell = Cell(n=5, alpha=1e30, replicate=2, schemes=("vanilla",))
    assert cell.identity == "c545be60423cf1b34999ba741fcd3a5c"
    assert SCHEMA_VERSION == 3
    grid = load(
        arguments={"n": np.array([5]), "alpha": [1e30, 20], "replicates": 3, "scheme": "vanilla"}, environment={}
    )
    assert cell.identity in {each.identity for _, each in expand(grid)}


def test_the_label_of_a_cell_states_what_is_listed() -> None:
    assert Cell(n=5).label == "teacher=wi init=si n=5 replicate=0"
    label = Cell(n=5, alpha=1e30, dtype="float64").label_of(("alpha", "dtype"))
    assert label == "teacher=wi init=si n=5 alpha=1e+30 dtype=float64 replicate=0"


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MfsymError, match="cannot be read"):
        load(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(MfsymError, match="UTF-8"):
        load(tmp_path / "binary.toml")
    (tmp_path / "huge.toml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(MfsymError, match="must be under"):
        load(tmp_path / "huge.toml")


@pytest.mark.parametrize("assignment", ["alpha", "alhpa=1", "sweep.alpha=1", "alpha=1\n2"])
def test_bad_assignments_are_refused(assignment: str) -> None:
    with pytest.raises(MfsymError):
        load(assignments=[assignment], environment={})


def test_an_unknown_environment_variable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(MfsymError, match=r"MFSYM_ALHPA.*did you mean 'alpha'"):
        load(environment={"MFSYM_ALHPA": "1"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("1e-3", 1e-3),
        ("wi", "wi"),
        ("wi,si", ["wi", "si"]),
        ("5, 10", [5, 10]),
        ("[5, 10]", [5, 10]),
        ("'a'", "a"),
    ],
)
def test_values_are_toml_bare_words_or_lists(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_a_listed_training_parameter_makes_one_more_dimension() -> None:
    resolved = load(assignments=["alpha=5,50", "n=5,10,20", "replicates=2"], environment={})
    assert list(axes(resolved)) == ["teacher", "init", "n", "alpha", "replicate"]
    cells = [cell for _, cell in expand(resolved)]
    assert count(resolved) == len(cells) == len({cell.identity for cell in cells}) == 12
    assert {cell.alpha for cell in cells} == {5.0, 50.0}


def test_every_value_of_a_cell_is_in_its_identity() -> None:
    cell = Cell()
    assert cell.identity == Cell().identity
    for field in dataclasses.fields(Cell):
        value = getattr(cell, field.name)
        other = (
            value + 1 if isinstance(value, int | float) else (*value, "x") if isinstance(value, tuple) else value + "x"
        )
        changed = dataclasses.replace(cell, **{field.name: other}).identity != cell.identity
        assert changed == (field.name != "problem"), "the content of a problem counts, not the place of its file"


def test_a_cell_survives_json() -> None:
    cell = Cell(n=7, alpha=0.1)
    assert Cell.from_dict(cell.to_dict()) == cell


def test_a_growing_grid_keeps_the_identity_of_its_cells() -> None:
    small = {cell.identity for _, cell in expand(load(assignments=["n=5,10"], environment={}))}
    large = {cell.identity for _, cell in expand(load(assignments=["n=5,7,10", "replicates=3"], environment={}))}
    assert small < large


def test_what_cannot_fit_is_refused_with_its_estimate_and_the_flag(tmp_path: Path) -> None:
    for assignments in (["n=1000000000"], ["n=5", "replicates=10000000"]):
        resolved = load(assignments=assignments, environment={})
        with pytest.raises(MfsymError, match=r"too large .* it needs .* allow_large=True"):
            check(resolved, tmp_path)
        assert check(resolved, tmp_path, allow_large=True).cells == count(resolved)
    with pytest.raises(MfsymError, match="allow_large=True"):
        check_cell(Cell(n=10**9))
    assert check_cell(Cell(n=5000)).cells == 1


def test_the_estimate_grows_with_the_grid() -> None:
    small = estimate(load(assignments=["n=100"], environment={}))
    large = estimate(load(assignments=["n=100,200"], environment={}))
    assert large.seconds > 2 * small.seconds
    assert large.disk > 2 * small.disk
    assert str(large.cells) in large.describe()
    wide = estimate(load(assignments=["n=100"], environment={}), parameters=400)
    assert wide.seconds > 50 * small.seconds
    assert wide.disk > 10 * small.disk


@pytest.mark.parametrize(
    ("size", "text"), [(5, "5 B"), (1536, "1.5 KB"), (3 * 2**40, "3.0 TB"), (3 * 2**60, "3145728.0 TB")]
)
def test_bytes_for_people(size: float, text: str) -> None:
    assert human_bytes(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (600, "10 min"), (7500, "2 h 05 min")])
def test_seconds_for_people(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


def test_a_single_training_takes_one_value_of_each_key() -> None:
    cell, replicates = single_cell({"teacher": "si", "n": 7, "alpha": None}, ("fa",), {"MFSYM_REPLICATES": "3"})
    assert (cell.teacher, cell.n, cell.alpha, cell.schemes, replicates) == ("si", 7, 50.0, ("fa",), 3)
    for environment in ({"MFSYM_N": "5,10"}, {"MFSYM_ALPHA": "5,10"}):
        with pytest.raises(MfsymError, match="must be one value here"):
            single_cell({}, None, environment)


@pytest.mark.parametrize("text", ["", "x", "fa,fa", "vanila"])
def test_bad_scheme_lists_are_refused(text: str) -> None:
    with pytest.raises(MfsymError, match="--schemes"):
        parse_schemes(text)


GRIDS = [path for path in sorted((ROOT / "sims").glob("*.toml")) if "[sweep]" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_grid_of_the_repository_resolves_and_fits(path: Path, tmp_path: Path) -> None:
    assert check(load(path, environment={}), tmp_path).cells >= 1
