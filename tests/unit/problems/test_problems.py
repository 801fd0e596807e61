"""mfsym.problems: what a problem file may say, what it builds, and one line for everything else."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import mfsym as mf
from mfsym.configurations import load
from mfsym.configurations.cells import expand
from mfsym.configurations.loading import digest_of, resolve_stated
from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.errors import MfsymError, NotEquivariant
from mfsym.experiments import compare, problem_of
from mfsym.groups import cyclic, dihedral, product, so, symmetric
from mfsym.groups.catalogue import rotation
from mfsym.problems import FAMILIES, Problem, load_problem, parse_text
from mfsym.problems.checking import check, symmetry_test, usable_schemes
from mfsym.problems.expressions import Formula
from mfsym.problems.fields import GroupTable, RepresentationTable
from mfsym.problems.symmetries import build_group, build_representation, pixels
from mfsym.streams import normals, stream_key
from tests.conftest import parse_json
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, P_VALUE

SHIPPED = sorted((Path(__file__).parents[3] / "sims" / "problems").glob("*.toml"))
HERE = Path()
Run = Callable[..., Result]

BASE = """
[group]
name = "cyclic(4)"
[representations]
x = "vector"
y = "trivial(1)"
[unit]
kind = "uv"
activation = "tanh"
[target]
formula = ["x1**2 + x2**2"]
"""


def _group(text: str) -> mf.Group:
    return build_group(GroupTable(name=text), HERE)


def _rep(text: str, group: mf.Group) -> mf.Representation:
    return build_representation(text, group, HERE, "x")


@pytest.fixture
def problem_file(tmp_path: Path) -> Path:
    path = tmp_path / "turns.toml"
    path.write_text(BASE)
    return path


# shipped problems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_problem_is_what_it_says(path: Path) -> None:
    if path.stem.startswith("digits"):
        pytest.importorskip("sklearn", reason="the extra digits")
    problem = load_problem(path)
    record = check(problem, n=10)
    assert problem.description
    for name in ("orthogonality_error", "homomorphism_error", "joint_equivariance_error"):
        assert record[name] < ALGEBRA
    assert record["dim_z"] == problem.unit.p >= record["dim_fixed"]
    assert (record["order"] is None) == (record["dimension"] > 0)
    stated = {"digits-c4": False, "c4-samples": None}
    assert record["symmetric"] is stated.get(path.stem, True), "upright digits are not symmetric, 40 samples too few"


def test_the_shipped_problems_are_those_promised() -> None:
    stems = {path.stem for path in SHIPPED}
    wanted = {"reference-c2", "c4-counterexample", "d4-plane", "s3-sets", "so2-plane", "so3-pairs", "digits-c4"}
    assert wanted <= stems


def test_the_reference_file_is_the_reference_teacher() -> None:
    problem, teacher = load_problem(SHIPPED[0].with_name("reference-c2.toml")), reference_teacher("wi")
    assert isinstance(problem.data, Teacher)
    assert np.abs(problem.data.particles - teacher.particles).max() < ALGEBRA
    assert problem.unit.activation == teacher.unit.activation
    x, y = problem.data.draw(stream_key(0, "data"), 3, 9)
    other = teacher.draw(stream_key(0, "data"), 3, 9)
    assert np.array_equal(x, other[0])
    assert np.abs(y - other[1]).max() < ALGEBRA


# groups and representations


def test_groups_by_name_and_by_matrices(tmp_path: Path) -> None:
    assert _group("cyclic(4)") is cyclic(4)
    assert _group("product(cyclic(2), so(2))") == product(cyclic(2), so(2))
    assert _group("trivial").order == 1
    assert all(family.build(2).degree for family in FAMILIES.values())
    turn = [[[0, -1], [1, 0]]]
    given = build_group(GroupTable(name="mine", generators=[[[0.0, -1.0], [1.0, 0.0]]]), HERE)
    assert (given.name, given.order) == ("mine", 4)
    np.save(tmp_path / "turn.npy", np.array(turn))
    assert build_group(GroupTable(name="mine", generators="turn.npy"), tmp_path).order == 4


def test_representations_are_sums_products_and_words() -> None:
    group = dihedral(4)
    assert _rep("2 * vector + trivial(3)", group).dim == 7
    assert _rep("vector * permutation", group).dim == 8
    assert _rep("hom(vector, permutation)", group).dim == 8
    assert _rep("sym2(vector) + alt2(vector) + sign + regular", group).dim == 3 + 1 + 1 + 8
    assert _rep("irrep(2)", so(3)).dim == 5
    assert _rep("charge(3)", so(2)).dim == 2
    both = product(cyclic(2), symmetric(3))
    assert _rep("factor(1, permutation + sign)", both).dim == 4
    table = RepresentationTable(permutations=[[1, 2, 3, 0]])
    moved = build_representation(table, cyclic(4), HERE, "x")
    assert np.abs(moved.generator_matrices - cyclic(4).permutation().generator_matrices).max() == 0.0
    matrices = RepresentationTable(generators=[[[-1.0]]])
    assert build_representation(matrices, cyclic(2), HERE, "x").generator_matrices[0, 0, 0] == -1.0


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("group", [cyclic(4), cyclic(2), dihedral(4)], ids=lambda group: group.name)
def test_pixels_turn_with_the_plane(group: mf.Group, n: int) -> None:
    rep = pixels(group, n)
    image = normals(stream_key(1, "data"), 0, 1, n * n)[0]
    turned = rep.generator_matrices[0] @ image
    quarters = {4: 1, 2: 2, 8: 1}[group.order or 0]
    assert np.array_equal(turned.reshape(n, n), np.rot90(image.reshape(n, n), quarters))
    for matrix in rep.generator_matrices:
        assert np.array_equal(np.sort(matrix.argmax(axis=0)), np.arange(n * n))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cyclc(4)", "did you mean 'cyclic'"),
        ("cyclic", "write cyclic(...)"),
        ("cyclic(0)", "from 1 to 1024"),
        ("cyclic(10**9)", "may not contain"),
        ("cyclic(1000000000)", "from 1 to 1024"),
        ("symmetric(50)", "from 1 to 7"),
        ("4", "must be a group"),
        ("__import__('os')", "unknown name"),
        ("C_4", "known: trivial, cyclic(...), dihedral(...), o(...)"),
        ("cyclic(4).order", "may not contain"),
        ("cyclic(", "must be an expression"),
        ("(" * 900 + "trivial" + ")" * 900, "must be an expression"),
        ("product(cyclic(2), 3)", "product needs groups"),
    ],
)
def test_bad_groups_are_refused(text: str, words: str) -> None:
    with pytest.raises(MfsymError) as caught:
        _group(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vektor", "did you mean 'vector'"),
        ("trivial", "write trivial(...)"),
        ("vector(2)", "without brackets"),
        ("vector + 2", "a representation is needed"),
        ("3", "must be a representation"),
        ("5000 * vector", "from 1 to 4096"),
        ("regular * regular * regular * regular * regular", "at most R^4096"),
        ("irrep(1)", "SO(3)"),
        ("trivial(2.5)", "whole number"),
        ("factor(0, vector)", "factor needs"),
        ("vector - vector", "may not contain"),
        ("charge()", "charge(...) needs"),
        ("2.5 * vector", "whole number"),
        ("4096 * regular", "at most R^4096"),
        ("regular * regular * regular * regular * vector", "at most R^4096"),
        ("hom(64 * vector, 64 * vector)", "at most R^4096"),
        ("sym2(33 * vector)", "at most R^4096"),
        ("alt2(33 * vector)", "at most R^4096"),
        ("pixels(65)", "from 1 to 64"),
        ("2049 * vector", "at most R^4096"),
        ("4000 * trivial(1) + 100 * trivial(1)", "at most R^4096"),
    ],
)
def test_bad_representations_are_refused(text: str, words: str) -> None:
    with pytest.raises(MfsymError) as caught:
        _rep(text, dihedral(4))
    assert words in str(caught.value)


def test_whole_numbers_in_words_may_be_written_with_a_point() -> None:
    assert _group("cyclic(4.0)") is cyclic(4)
    assert _rep("2.0 * vector + trivial(3.0)", dihedral(4)).dim == 7
    with pytest.raises(MfsymError, match=r"n of cyclic must be a whole number from 1 to 1024, got 2.5"):
        _group("cyclic(2.5)")


def test_the_regular_word_keeps_the_limit_of_all_words() -> None:
    with pytest.raises(MfsymError, match=r"at most R\^4096, got R\^5040"):
        _rep("regular", symmetric(7))
    table = RepresentationTable(permutations=[[*range(5000)]])
    with pytest.raises(MfsymError, match=r"at most R\^4096, got R\^5000"):
        build_representation(table, cyclic(2), HERE, "x")


def test_generators_in_a_file_are_made_exact_or_refused_without_naming_keys_that_files_lack(tmp_path: Path) -> None:
    turn = np.round(rotation(1, 25)[None], 9)
    assert build_group(GroupTable(name="mine", generators=turn.tolist()), HERE).order == 25
    np.save(tmp_path / "complex.npy", turn * (1.0 + 0.0j))
    with pytest.raises(MfsymError, match="complex128"):
        build_group(GroupTable(name="mine", generators="complex.npy"), tmp_path)
    np.save(tmp_path / "single.npy", turn.astype(np.float32))
    with pytest.raises(MfsymError, match=r"give its entries to 9 decimals or more"):
        build_group(GroupTable(name="mine", generators="single.npy"), tmp_path)
    tilted = [[[np.cos(1.0), -np.sin(1.0)], [np.sin(1.0), np.cos(1.0)]]]
    with pytest.raises(MfsymError, match=r"must be a fraction with denominator up to 50000") as caught:
        build_group(GroupTable(name="mine", generators=tilted), HERE)
    assert "max_order" not in str(caught.value)
    with pytest.raises(MfsymError, match=r"S_7 x S_5 has 604800 elements, more than 50000"):
        _group("product(symmetric(7), symmetric(5))")


def test_a_check_holds_matrices_in_parts_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = parse_text(BASE)
    whole = check(problem, n=10)
    monkeypatch.setattr("mfsym.representations.core.ACT_NUMBERS", 1)
    assert check(problem, n=10) == whole


LARGE = BASE.replace('"vector"', '"3 * pixels(32)"').replace("tanh", "softplus").replace("x1**2 + x2**2", "x1")


@pytest.mark.slow
def test_a_problem_of_3072_inputs_is_checked_in_20_gigabytes(problem_file: Path) -> None:
    problem_file.write_text(LARGE)
    command = f"ulimit -v 20000000; exec {sys.executable} -m mfsym check {problem_file} --format json"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["dim_x"], record["dim_z"], record["dim_fixed"]) == (3072, 3073, 769)
    assert max(record[key] for key in ("orthogonality_error", "homomorphism_error", "equivariance_error")) < ALGEBRA


def test_what_cannot_fit_is_one_line_and_exit_2(mfsym: Run, problem_file: Path) -> None:
    problem_file.write_text(BASE.replace("cyclic(4)", "symmetric(7)").replace('"vector"', '"regular"'))
    result = mfsym("check", problem_file)
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines() == [
        f"error: {problem_file}: a representation of a problem file must act on at most R^4096, got R^5040"
    ]


def test_matrices_that_are_no_representation_name_the_element() -> None:
    table = RepresentationTable(generators=[[[0.0, -1.0], [1.0, 0.0]]])
    with pytest.raises(MfsymError, match=r"satisfy the relations of C_3"):
        build_representation(table, cyclic(3), HERE, "x")
    with pytest.raises(MfsymError, match="either generators or permutations"):
        build_representation(RepresentationTable(), cyclic(3), HERE, "x")
    with pytest.raises(MfsymError, match="each of 0 to 2 once"):
        build_representation(RepresentationTable(permutations=[[0, 0, 1]]), cyclic(3), HERE, "x")


# formulas


def test_formulas_are_the_functions_they_say() -> None:
    x = normals(stream_key(1, "data"), 0, 7, 3)
    f = Formula(["sin(x1) * x2 - x3**2 / 2", "norm(x1, x2) + max(x3, 0) + pi", "-3"], 3)
    expected = [
        np.sin(x[:, 0]) * x[:, 1] - x[:, 2] ** 2 / 2,
        np.hypot(x[:, 0], x[:, 1]) + np.maximum(x[:, 2], 0) + np.pi,
    ]
    assert np.abs(f(x)[:, :2] - np.stack(expected, axis=1)).max() < ALGEBRA
    assert (f(x)[:, 2] == -3.0).all()
    assert np.array_equal(pickle.loads(pickle.dumps(f))(x), f(x))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x4", "did you mean"),
        ("y", "unknown name"),
        ("log(x1 - x1)", "finite"),
        ("9**9**9**9", "finite"),
        ("x1 if x2 else x3", "may not contain"),
        ("open('x')", "unknown name"),
        ("[1, 2]", "may not contain"),
        ("sin()", "a formula"),
        ("True", "may not contain"),
    ],
)
def test_bad_formulas_are_refused(text: str, words: str) -> None:
    with pytest.raises(MfsymError) as caught:
        Formula([text], 3)
    assert words in str(caught.value)


# files


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[unit]", "[unti]", "did you mean 'unit'"),
        ("activation =", "activaton =", "did you mean 'activation'"),
        ("[group]", "surprise = 1\n[group]", "surprise"),
        ('"uv"', '"uw"', "unit.kind must be one of"),
        ('"tanh"', '"tan"', "unit.activation"),
        ('"uv"', '"uv"\nhidden = ["permutation"]', "is for kind 'mlp'"),
        ('"trivial(1)"', "7", "representations.y"),
        ('formula = ["x1**2 + x2**2"]', "", "one of particles, random, formula"),
        ('formula = ["x1**2 + x2**2"]', 'formula = ["x1", "x2"]', "one formula for each of 1 outputs"),
        ('formula = ["x1**2 + x2**2"]', "random = 0", "target.random"),
        ('formula = ["x1**2 + x2**2"]', 'particles = "absent.npy"', "cannot be read"),
        ('formula = ["x1**2 + x2**2"]', "particles = [[1.0, 2.0]]", "3 numbers each"),
        ("[target]", '[inputs]\nlaw = "sphere"\ncutoff = 1.0\n[target]', "cutoff is for the gaussian"),
        ("[target]", "[inputs]\nscale = -1.0\n[target]", "inputs.scale"),
        ("[target]", '[dataset]\nsource = "absent.npz"\n[target]', "absent.npz"),
        ("[target]", "[training]\nalhpa = 1.0\n[target]", "did you mean 'alpha'"),
        ("[target]", '[training]\nunit = "uv"\n[target]', "unknown key 'unit'"),
        ("[target]", "[training]\nalpha = -1.0\n[target]", "alpha"),
        ("[group]", "[group", "not valid TOML"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_2(mfsym: Run, problem_file: Path, old: str, new: str, words: str) -> None:
    text = problem_file.read_text()
    assert old in text
    problem_file.write_text(text.replace(old, new, 1))
    result = mfsym("check", problem_file)
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert str(problem_file) in lines[0]


def test_a_unit_that_is_not_equivariant_is_refused_with_the_element(problem_file: Path) -> None:
    text = BASE.replace('"uv"', '"matrix"').replace('"trivial(1)"', '"vector"')
    problem_file.write_text(text.replace("tanh", "sigmoid"))
    with pytest.raises(NotEquivariant, match=r"turns.toml: .*jointly equivariant"):
        load_problem(problem_file)


def test_teachers_are_drawn_closed_projected_or_read(tmp_path: Path) -> None:
    def teacher(stated: str) -> Teacher:
        data = parse_text(BASE.replace('formula = ["x1**2 + x2**2"]', stated), tmp_path).data
        assert isinstance(data, Teacher)
        return data

    drawn = teacher("random = 3\nseed = 2\nscale = 0.5")
    assert np.array_equal(drawn.particles, 0.5 * normals(stream_key(2, "teacher"), 0, 3, 3))
    closed = teacher('random = 3\nseed = 2\nsymmetry = "wi"')
    assert closed.particles.shape == (12, 3)
    inside = teacher('random = 3\nsymmetry = "si"')
    assert inside.unit.fixed_subspace.contains(inside.particles)
    np.save(tmp_path / "cloud.npy", np.ones((2, 3)))
    assert np.array_equal(teacher('particles = "cloud.npy"').particles, np.ones((2, 3)))


def test_multi_layer_units_from_a_file() -> None:
    layers = (
        '"mlp"\nhidden = ["permutation", ["gated(vector)", "trivial(2)"]]\nbiases = [true, false]\noutput_bias = true'
    )
    unit = parse_text(BASE.replace('"uv"', layers)).unit
    assert isinstance(unit, mf.units.MLPUnit)
    assert unit.p == 2 * 4 + 4 + 4 * 5 + 4 + 1


# cells, digests, training values


def test_the_digest_is_of_what_a_file_says(problem_file: Path) -> None:
    digest = digest_of(problem_file)
    problem_file.write_text("# a comment\n" + BASE.replace("[unit]", "\n\n[unit]") + "[training]\nalpha = 3.0\n")
    assert digest_of(problem_file) == digest
    problem_file.write_text(BASE.replace("tanh", "erf"))
    assert digest_of(problem_file) != digest
    np.save(problem_file.with_name("cloud.npy"), np.ones((2, 3)))
    problem_file.write_text(BASE.replace('formula = ["x1**2 + x2**2"]', 'particles = "cloud.npy"'))
    digest = digest_of(problem_file)
    np.save(problem_file.with_name("cloud.npy"), np.zeros((2, 3)))
    assert digest_of(problem_file) != digest


@pytest.mark.parametrize(
    ("named", "file"), [("CLOUD.NPY", "CLOUD.NPY"), ("a@b.csv", "a@b.csv"), ("run.NC@2", "run.NC")]
)
def test_the_digest_holds_every_file_that_is_read(problem_file: Path, named: str, file: str) -> None:
    problem_file.write_text(BASE.replace('formula = ["x1**2 + x2**2"]', f'particles = "{named}"'))
    digests = set()
    for content in ("1,2,3", "4,5,6"):
        problem_file.with_name(file).write_text(content)
        digests.add(digest_of(problem_file))
    assert len(digests) == 2


def test_a_problem_prefers_values_that_anything_else_overrides(problem_file: Path) -> None:
    problem_file.write_text(BASE + "[training]\nalpha = 3.0\nn = 7\n")
    resolved = load(options={"problem": str(problem_file)}, environment={"MFSYM_N": "9"})
    assert (resolved.values["alpha"], resolved.values["n"]) == (3.0, [9])
    assert resolved.origins["alpha"].startswith("problem")
    _, cell = next(expand(resolved))
    assert (cell.teacher, cell.unit, cell.alpha) == ("turns", "problem", 3.0)
    assert cell.problem_digest == digest_of(problem_file)
    assert problem_of(cell).unit.p == 3


@pytest.mark.parametrize("key", ["teacher", "unit", "activation"])
def test_what_a_problem_states_is_not_stated_twice(problem_file: Path, key: str) -> None:
    with pytest.raises(MfsymError, match=f"{key} .*is stated by the problem"):
        resolve_stated(("command line", {"problem": str(problem_file), key: "wi"}))


def test_cells_keep_their_content_and_notice_a_change(problem_file: Path) -> None:
    def cell() -> mf.Cell:
        return next(expand(load(options={"problem": str(problem_file)}, environment={})))[1]

    before = cell()
    problem_file.write_text("# only a comment\n" + BASE)
    assert cell().identity == before.identity
    problem_file.write_text(BASE.replace("tanh", "erf"))
    assert cell().identity != before.identity
    with pytest.raises(MfsymError, match="the problem has changed"):
        problem_of(before)
    assert mf.Cell().identity == mf.Cell(problem="elsewhere").identity


def test_problems_in_python_are_those_in_files(problem_file: Path) -> None:
    group = cyclic(4)
    unit = mf.UVUnit("tanh", group.vector(), group.trivial(1))
    problem = Problem("turns", unit, load_problem(problem_file).data)
    tiny = {"n": 8, "horizon": 0.5, "alpha": 5.0, "schemes": ("vanilla", "fa")}
    ours, theirs = compare(problem, **tiny), compare(load_problem(problem_file), **tiny)
    assert np.array_equal(ours["particles"].values, theirs["particles"].values)
    assert str(pickle.loads(pickle.dumps(problem)).unit) == str(unit)
    with pytest.raises(MfsymError, match="change the representations or the data"):
        Problem("wrong", mf.reference_unit(), problem.data)


# the command line


def test_every_command_takes_a_problem(mfsym: Run, problem_file: Path, tmp_path: Path) -> None:
    tiny = ("--problem", problem_file, "--horizon", 0.5, "--alpha", 5, "-n", 8, "-q")
    record = parse_json(mfsym("compare", *tiny, "--format", "json"))
    assert [row["status"] for row in record["schemes"]] == ["ok"] * 5
    run = tmp_path / "run.nc"
    assert mfsym("simulate", *tiny, "--scheme", "ea", "-o", run).exit_code == 0
    distance = parse_json(mfsym("distance", run, "--to", "si", "--problem", problem_file, "--format", "json"))
    assert distance["w2_squared"] < ALGEBRA
    assert mfsym("distance", run, "--to", "si", "--problem", problem_file, "--unit", "uv").exit_code == 2
    assert mfsym("compare", *tiny, "--teacher", "wi").exit_code == 2
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(f'[sweep]\nproblem = "{problem_file.name}"\nn = [4, 8]\n[training]\nhorizon = 0.5\nalpha = 5.0\n')
    assert mfsym("sweep", sweep, "-o", tmp_path / "out.nc", "-q").exit_code == 0
    assert parse_json(mfsym("verify", tmp_path / "out.nc", "--format", "json"))["bad"] == []
    assert "turns" in mfsym("table", tmp_path / "out.nc").stdout
    problem_file.write_text(BASE.replace("tanh", "erf"))
    assert mfsym("sweep", sweep, "-o", tmp_path / "out.nc", "-q").exit_code == 3


@compiled
def test_limits_and_discoveries_take_a_problem(mfsym: Run, problem_file: Path, tmp_path: Path) -> None:
    stated, coarse = ("--problem", problem_file), ("--order", 8, "-o", tmp_path / "out.nc", "-q")
    assert mfsym("flow", *stated, "-n", 8, "--horizon", 0.2, "--alpha", 5, "--beta", 0, *coarse).exit_code == 0
    sizes = ("--sizes", "4,8", "--times", "0.2,0.5", "--limit-n", 8, "--replicates", 3, "--alpha", 5, "--beta", 0)
    assert mfsym("converge", *stated, *sizes, *coarse).exit_code == 0
    search = ("--rule", "paper", "-n", 8, "--horizon", 0.5, "--alpha", 5, "--format", "json")
    assert "dimension" in parse_json(mfsym("discover", *stated, *search))
    problem_file.write_text('loss = "logistic"\n' + BASE)
    refused = mfsym("flow", *stated, *coarse)
    assert (refused.exit_code, "quadratic loss" in refused.stderr) == (2, True)


def test_check_prints_what_its_json_holds(mfsym: Run, problem_file: Path) -> None:
    record = parse_json(mfsym("check", problem_file, "--basis", "--format", "json"))
    assert (record["order"], record["dim_z"], record["dim_fixed"]) == (4, 3, 1)
    assert record["joint_equivariance_error"] < ALGEBRA
    assert np.abs(np.array(record["basis"]) - [[0.0, 0.0, 1.0]]).max() < ALGEBRA
    text = mfsym("check", problem_file, "--basis").stdout
    assert "dim E^G       1" in text
    assert "symmetric under the group: max|f(rho x) - rho_hat f(x)|" in text


@pytest.mark.parametrize(
    ("what", "name"),
    [("groups", "cyclic(n)"), ("units", "uv"), ("schemes", "da-sampled"), ("problems", "reference-c2")],
)
def test_lists_hold_what_there_is(mfsym: Run, what: str, name: str) -> None:
    assert name in mfsym("list", what).stdout
    assert any(name in key for key in parse_json(mfsym("list", what, "--format", "json")))


def test_the_symmetry_test_tells_symmetric_data_from_others() -> None:
    even = parse_text(BASE)
    odd = parse_text(BASE.replace("x1**2 + x2**2", "x1 + x2"))
    assert symmetry_test(even).p_value > 10 * P_VALUE
    assert symmetry_test(odd).p_value == pytest.approx(1.0 / 1000.0)
    assert usable_schemes(so(4)) == ("vanilla", "da-sampled", "ea")
