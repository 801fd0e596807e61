"""mfsym.accelerate: caches that follow sources, fast-math that keeps NaN, borrowed arrays, parts, code by type."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import numba
import numpy as np
import pytest
from click.testing import CliRunner

import mfsym
from mfsym import accelerate
from mfsym.accelerate import (
    announcing,
    by_type,
    caching,
    exact,
    exact_allocating,
    exact_part,
    inner,
    kernel,
    kernel_allocating,
    parts,
    uncached_kernel,
    user_function,
)
from mfsym.cli.options import quiet_option
from mfsym.errors import MfsymWarning
from mfsym.experiments import simulate
from mfsym.kernels import activations, elementary, planar, rows, sgd
from mfsym.quotients.kernels import steps
from mfsym.runtime import notices
from mfsym.runtime.caches import Places
from mfsym.transport import w2
from tests.meta.sources import module_name
from tests.sizes import compiled

KERNELS = Path(activations.__file__).parent
HOUSE = Path(mfsym.__file__).parent
SOURCES = sorted(path for path in HOUSE.rglob("kernels/*.py") if path.name != "__init__.py")

KINDS = [activations.SIGMOID, activations.TANH, activations.SOFTPLUS, activations.ERF]


def _has_wide_registers():
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and " avx2 " in cpu.read_text()


@kernel
def _mean(a):
    total = 0.0
    for value in a:
        total += value
    return total / a.size


@exact
def _compensated(a):
    total, carry = 0.0, 0.0
    for value in a:
        term = value - carry
        new = total + term
        carry = (new - total) - term
        total = new
    return total


@inner
def _square(x):
    return x * x


@kernel
def _sum_of_squares(a):
    total = 0.0
    for value in a:
        total += _square(value)
    return total


def _name_single(x):
    return 32


def _name_double(x):
    return 64


@by_type(lambda x: _name_single if accelerate.is_single(x) else _name_double)
def _bits_of(x):
    return 32 if isinstance(x, np.float32) else 64


@kernel
def _bits_of_first(a):
    return _bits_of(a[0])


class _Pack(NamedTuple):
    first: np.ndarray
    second: np.ndarray


def _dot(pack):
    total = 0.0
    for i in range(pack.first.size):
        if pack.first[i] > 0.0:
            total += _head(pack) * pack.second[i]
    return total


def _head_of_copy(pack):
    copy = np.empty(1)
    copy[0] = pack.first[0]
    return copy[0]


def _head_of_sum(pack):
    return (pack.first + pack.second).sum()


@exact
def _head(pack):
    if pack.second[0] > 0.0:
        return _last(pack) - 1.0
    return 0.0


@exact
def _last(pack):
    part = pack.first[1:]
    while part.size > 1:
        part = part[1:]
    return part[0]


@pytest.fixture
def cold(tmp_path, monkeypatch):
    """An empty cache: what is compiled under it can be looked at."""
    monkeypatch.setattr(caching.caches, "places", lambda: Places(tmp_path / "kernels"))
    return _Pack(np.array([2.0, 0.0, 3.0]), np.array([5.0, 6.0, 7.0]))


@compiled
@pytest.mark.parametrize(
    ("policy", "counts"), [(kernel, False), (exact, False), (kernel_allocating, True), (exact_allocating, True)]
)
def test_references_to_arrays_of_packs_are_counted_in_allocating_code_only(cold, policy, counts):
    function = policy(_dot)
    assert function(cold) == 24.0
    (code,) = function.inspect_llvm().values()
    assert ("NRT_incref" in code) == counts


@compiled
@pytest.mark.parametrize(("borrows", "makes"), [(kernel, kernel_allocating), (exact, exact_allocating)])
@pytest.mark.parametrize(("function", "answer"), [(_head_of_copy, 2.0), (_head_of_sum, 23.0)])
def test_only_allocating_code_makes_arrays(cold, borrows, makes, function, answer):
    with pytest.raises((numba.TypingError, numba.core.errors.NumbaRuntimeError)):
        borrows(function)(cold)
    assert makes(function)(cold) == answer


@compiled
@pytest.mark.parametrize(("borrows", "makes"), [(kernel, kernel_allocating), (exact, exact_allocating)])
def test_options_do_not_come_from_what_is_compiled_around(cold, borrows, makes):
    """numba lets a function inherit those that it does not name."""
    fresh = makes(_head_of_copy)

    def calls(pack):
        return fresh(pack) + 1.0

    assert borrows(calls)(cold) == 3.0
    policies = (kernel, kernel_allocating, exact, exact_allocating, inner, exact_part, uncached_kernel, user_function)
    for policy in policies:
        assert {"_nrt", "fastmath", "forceinline", "error_model"} <= set(policy(_dot).targetoptions)


def _borrowed():
    """Compiled functions of the package that count no references, and their names."""
    for path in SOURCES:
        module = importlib.import_module(module_name(path))
        for name, function in vars(module).items():
            if getattr(function, "targetoptions", {}).get("_nrt") is False:
                yield name, function


def _holds_arrays(kind):
    return isinstance(kind, numba.types.Array) or any(_holds_arrays(part) for part in getattr(kind, "types", ()))


@compiled
def test_borrowed_code_returns_no_arrays():
    """Its caller would give back what was never taken."""
    z = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    w2(z, z[::-1] + 0.5, method="auction")
    simulate("wi", "fa", n=5, horizon=1.0)
    seen = 0
    for name, function in _borrowed():
        for signature in [*function.nopython_signatures, *function.part.nopython_signatures]:
            assert not _holds_arrays(signature.return_type), name
            seen += 1
    assert seen > 10


def _calls(node):
    return {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


def _policies(node):
    return {part.id for part in node.decorator_list if isinstance(part, ast.Name)}


def _makes(node):
    """Whether a function is of those that may return arrays of their own."""
    answers = [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value is not None]
    return bool(answers and _policies(node) & {"kernel_allocating", "exact_allocating"})


def test_borrowed_code_calls_nothing_that_returns_new_arrays():
    """Nobody would give them back."""
    found = {
        path: [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        for path in SOURCES
    }
    makers = {node.name: path for path in SOURCES for node in found[path] if _makes(node)}
    assert {"tree_order"} <= set(makers)
    for path, nodes in found.items():
        seen = {name for name, home in makers.items() if home == path or not name.startswith("_")}
        for node in nodes:
            if _policies(node) & {"kernel", "exact", "exact_part", "inner"}:
                assert not _calls(node) & seen, node.name


def test_fast_math_never_assumes_numbers_are_finite():
    assert not accelerate.FASTMATH & {"nnan", "ninf", "fast"}
    with np.errstate(invalid="ignore"):
        assert np.isnan(_mean(np.array([1.0, np.nan, 2.0])))
        assert np.isnan(_mean(np.array([np.inf, -np.inf])))
    assert _mean(np.array([np.inf, 1.0])) == np.inf
    assert _mean(np.array([1.0, 2.0])) == 1.5


def test_exact_code_is_not_reassociated():
    a = np.array([1.0] + [1e-16] * 1000)
    assert _compensated(a) == 1.0 + 1e-13
    assert a[0] + np.cumsum(a)[-1] - a[0] != _compensated(a)


def test_inlined_code_computes_what_it_says():
    assert _sum_of_squares(np.array([1.0, 2.0, 3.0])) == 14.0
    assert accelerate.available_threads() >= 1


def test_types_choose_the_code():
    assert _bits_of_first(np.ones(1, np.float32)) == 32
    assert _bits_of_first(np.ones(1)) == 64
    assert _bits_of(np.float32(1)) == 32
    assert _bits_of(1.0) == 64
    assert _bits_of.__name__ == "_bits_of"


def test_the_sources_of_a_kernel_file_are_all_it_imports():
    found = {path.name for path in caching.sources(Path(sgd.__file__))}
    assert {
        "sgd.py",
        "shallow.py",
        "deep.py",
        "rows.py",
        "noise.py",
        "elementary.py",
        "activations.py",
        "units.py",
    } <= found
    assert {path.name for path in caching.sources(Path(elementary.__file__))} == {"elementary.py"}
    assert "noise.py" not in {path.name for path in caching.sources(Path(rows.__file__))}


def test_a_change_to_a_pack_is_a_change_to_every_kernel(tmp_path):
    """Code is compiled for packs that its file does not import: another order of fields must not find the old code."""
    packs = [caching.packs(tmp_path / name) for name in ("a", "b", "c") if _with_pack(tmp_path / name, name)]
    assert packs[0] != packs[1]
    assert packs[0] == packs[2]
    assert b"class StepParameters" in caching.packs(KERNELS)


def _with_pack(folder, name):
    fields = "    one: int\n    two: int\n" if name != "b" else "    two: int\n    one: int\n"
    folder.mkdir()
    text = f"class Pack(NamedTuple):\n{fields}\n\ndef unlike():\n    return {name!r}\n"
    (folder / "file.py").write_text(text)
    return True


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_kernel_files_import_each_other_in_the_form_the_digest_reads(path):
    """`from mfsym.kernels.name import ...` at the start of a line, in any folder of kernels: other forms are missed."""
    text = re.sub(r'""".*?"""', "", path.read_text(), flags=re.S)
    mentioned = set(re.findall(r"mfsym\.((?:\w+\.)*kernels\.\w+)", text))
    read = {module_name(found).removeprefix("mfsym.") for found in caching.sources(path)}
    assert mentioned <= read
    assert not re.search(r"^\s*(from mfsym[\w.]* import kernels|import mfsym|from \.)", text, re.M)


def test_kernels_of_another_package_count_what_they_import_from_everywhere():
    found = {path.relative_to(HOUSE).as_posix() for path in caching.sources(Path(steps.__file__))}
    assert {"quotients/kernels/steps.py", "quotients/kernels/rotations.py", "kernels/noise.py"} <= found


def test_a_change_anywhere_below_changes_the_digest_and_elsewhere_does_not(tmp_path):
    folder = tmp_path / "kernels"
    shutil.copytree(KERNELS, folder)
    digest = caching.sources_digest.__wrapped__
    before = {name: digest(folder / f"{name}.py") for name in ("rows", "units", "noise", "elementary")}
    assert before == {name: digest(KERNELS / f"{name}.py") for name in before}
    (folder / "activations.py").write_text((folder / "activations.py").read_text() + "\nEXTRA = 1\n")
    after = {name: digest(folder / f"{name}.py") for name in before}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"units"}


@compiled
def test_a_second_process_loads_compiled_kernels_from_the_cache(tmp_path):
    program = (
        "import numpy as np; from mfsym.kernels.units import pack;"
        "pack(np.ones((3, 2)), 3, 2, 16, np.empty(32)); stats = pack.stats;"
        "import sys; scipy = 'scipy.linalg' in sys.modules;"
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), scipy)"
    )
    root = Path(mfsym.__file__).parents[1]
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
            env={"MFSYM_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        ).stdout.split()
        for _ in range(2)
    ]
    assert outputs == [["0", "1", "True"], ["1", "0", "False"]], "what is loaded needs no SciPy"


def _assembly(function, *arguments):
    """The machine code of a kernel compiled afresh for these arguments (cached code cannot be read)."""
    fresh = type(function)(function.py_func, targetoptions=dict(function.targetoptions))
    fresh(*arguments)
    return fresh.inspect_asm(fresh.signatures[0])


@compiled
@pytest.mark.skipif(not _has_wide_registers(), reason="reads x86 assembly of a processor with AVX2")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_activation_rows_are_vectorised(kind, dtype):
    """Packed arithmetic on 256- or 512-bit registers, and no call of a function of the C library."""
    suffix = {"float32": "ps", "float64": "pd"}[dtype]
    a, values = np.ones(64, dtype), np.ones(64, dtype)
    text = _assembly(activations.values_slopes_row, kind, a, np.uintp(0), values, np.uintp(64))
    packed = re.findall(rf"\bv(?:fn?m(?:add|sub)\d*|mul|add|sub|div){suffix}\s.*%[yz]mm", text)
    assert len(packed) >= 10
    for name in ("exp", "expf", "log", "logf", "log1p", "tanh", "erf"):
        assert not re.search(rf"\b{name}\b", text)


@compiled
@pytest.mark.skipif(not _has_wide_registers(), reason="reads x86 assembly of a processor with AVX2")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("which", ["sums", "kept", "pull"])
@pytest.mark.parametrize("kind", [activations.SIGMOID, activations.TAME_SIGMOID], ids=["clamped", "tame"])
def test_planar_passes_are_vectorised(kind, which, dtype):
    """Four rational functions on wide registers, a clamp of one instruction a side where one is asked for.

    A number that becomes an integer lane by lane would cost more than all of that.
    """
    suffix = {"float32": "ps", "float64": "pd"}[dtype]
    rows, x, o, n = np.ones(512, dtype), np.ones((4, 2), dtype), np.uintp(0), np.uintp(64)
    phi, weights = np.ones((4, 1), dtype), np.ones(64, dtype)
    arguments = {
        "sums": (x, weights, phi, 0),
        "kept": (x, weights, rows.copy(), o, phi, 0),
        "pull": (n, x, phi, 0, rows.copy(), o),
    }[which]
    function = {"sums": planar._sums_of, "kept": planar._kept_of, "pull": planar._pull_of}[which]
    text = _assembly(function, kind, rows, o, *arguments)
    products = re.findall(rf"\bv(?:mul|fn?m(?:add|sub)\d*){suffix}\s.*%[yz]mm", text)
    assert len(products) >= {"float32": 24, "float64": 32}[dtype]
    assert len(re.findall(rf"\bvdiv{suffix}\s.*%[yz]mm", text)) >= 4
    for side in ("min", "max"):
        clamps = len(re.findall(rf"\bv{side}{suffix}\s.*%[yz]mm", text))
        assert clamps == 0 if kind is activations.TAME_SIGMOID else clamps >= 4
    assert not re.search(r"\bexpf?\b|\bv?cvtt?s[sd]2si", text)


@compiled
@pytest.mark.skipif(not _has_wide_registers(), reason="reads x86 assembly of a processor with AVX2")
def test_the_guard_sees_a_loop_that_does_not_vectorise():
    text = _assembly(_compensated, np.ones(64))
    assert not re.search(r"\bv\w+pd\s.*%[yz]mm", text)
    text = _assembly(_mean, np.ones(64))
    assert re.search(r"\bvaddpd\s.*%[yz]mm", text)


STALE = """
import numpy as np
from mfsym.transport.kernels.dual_fits import residual_dual
from mfsym.transport.kernels.packs import ColumnTree
floats, numbers = np.arange(24.0), np.zeros(24, np.int32)
known = {"place": numbers.reshape(-1, 1), "first": 1, "octets": 1, "begin": np.zeros(1, np.int64)}
known |= {"end": known["begin"], "constant": np.zeros(24)}
known |= dict.fromkeys(("column", "atoms", "visible"), numbers)
columns = ColumnTree(**{name: known.get(name, floats) for name in ColumnTree._fields})
print(residual_dual(3, 1, 3, columns), sum(residual_dual.stats.cache_hits.values()))
"""
"""Calls a kernel of transport that calls one of another file: dual - quadratic y^2 = 3 - 2 * 3^2 before the edit."""


@compiled
def test_an_edited_callee_in_another_file_is_compiled_again(tmp_path):
    """In a copy of the package: first run, second run from the cache, third run after an edit of the callee."""
    shutil.copytree(HOUSE, tmp_path / "mfsym", ignore=shutil.ignore_patterns("__pycache__"))
    callee = tmp_path / "mfsym" / "transport" / "kernels" / "kd_tree.py"
    environment = {"MFSYM_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}

    def run():
        command = [sys.executable, "-c", STALE]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
        return done.stdout.split()

    assert [run(), run()] == [["-15.0", "0"], ["-15.0", "1"]]
    text = callee.read_text()
    edited = text.replace(
        "return ((t >> 3) * p + axis) * 8 + (t & 7)", "return ((t >> 3) * p + axis) * 8 + (t & 7) + 1"
    )
    assert edited != text
    callee.write_text(edited)
    assert run() == ["-45.0", "0"]


@exact
def _refuses(pack):
    if pack.first[0] > 100.0:
        raise ValueError("too large")
    return pack.first[0]


@exact
def _through_one(pack):
    return _refuses(pack) + 1.0


def _through_two(pack):
    return _through_one(pack) + 1.0


@pytest.fixture
def moved(monkeypatch):
    """A numba that holds compiled code otherwise; what was tried before is forgotten, before and after."""
    caches_of_trial = (parts.usable, parts._part_library, caching.caches.say)
    for each in caches_of_trial:
        each.cache_clear()
    monkeypatch.delattr(parts._codegen, "JITCodeLibrary")
    yield
    for each in caches_of_trial:
        each.cache_clear()


@compiled
def test_code_that_is_called_is_optimised_in_its_caller_alone(cold):
    """A part has no machine code; called from Python, the same function has."""
    assert parts.usable()
    function = exact(_dot)
    assert function(cold) == 24.0
    (part,) = _head.part.overloads.values()
    assert part.library.get_pointer_to_function(part.fndesc.llvm_func_name) == 0
    assert _head(cold) == 2.0
    (whole,) = _head.overloads.values()
    assert whole.library.get_pointer_to_function(whole.fndesc.llvm_func_name) != 0


@compiled
def test_errors_pass_through_parts_fresh_and_from_the_cache(cold):
    large = cold._replace(first=np.array([200.0]))
    for hits in (0, 1):
        function = exact(_through_two)
        assert function(cold) == 4.0
        assert sum(function.stats.cache_hits.values()) == hits
        with pytest.raises(ValueError, match="too large"):
            function(large)


@compiled
def test_where_numba_has_moved_code_is_compiled_the_long_way_with_one_warning(cold, moved):
    @exact
    def last(pack):
        return pack.first[-1]

    def total(pack):
        return last(pack) + pack.second[0]

    with pytest.warns(MfsymWarning, match="holds compiled code otherwise") as said:
        found = [exact(total)(cold), kernel(total)(cold)]
    assert (found, len(said)) == ([8.0, 8.0], 1)
    (part,) = last.part.overloads.values()
    assert part.library.get_pointer_to_function(part.fndesc.llvm_func_name) != 0
    assert not parts.usable()


WAITED_FOR = {"advance", "sweep_population", "tree_order", "auction", "augment_all"}


def test_what_takes_seconds_are_kernels():
    """Renaming one of them must not silence the announcement."""
    named = [name.rpartition(".") for name in announcing.WAITS]
    assert {name for _, _, name in named} == WAITED_FOR
    for module, _, name in named:
        assert callable(getattr(importlib.import_module(module), name))


@compiled
def test_whoever_waits_is_told_once_and_not_by_a_warning(cold, capsys, monkeypatch):
    monkeypatch.setitem(announcing.WAITS, f"{__name__}._dot", announcing.Wait("this test", 7))
    notices.forget()
    line = "compiling this test for this machine, about 7 s, once\n"
    exact(_dot)(cold)
    assert capsys.readouterr() == ("", line)
    exact(_dot)(cold)
    kernel(_dot)(cold)
    assert capsys.readouterr() == ("", "")
    notices.forget()
    exact(_dot)(cold)
    assert capsys.readouterr() == ("", "")
    shutil.rmtree(caching.caches.places().kept)
    with notices.hushed():
        exact(_dot)(cold)
    assert capsys.readouterr() == ("", "")


@compiled
def test_of_the_workers_of_one_process_the_first_to_compile_tells(cold, capsys, monkeypatch):
    monkeypatch.setitem(announcing.WAITS, f"{__name__}._dot", announcing.Wait("this test", 7))
    for starter, told in (("11", True), ("11", False), ("12", True)):
        notices.forget()
        monkeypatch.setenv(caching.caches.ANNOUNCED, starter)
        for path in caching.caches.places().kept.rglob("*.nb?"):
            path.unlink()
        exact(_dot)(cold)
        assert bool(capsys.readouterr().err) == told


def test_a_command_with_q_says_nothing_of_compiling():
    @click.command()
    @quiet_option("Print nothing.")
    def command(quiet):
        notices.tell("compiling")

    for arguments, said in (([], "compiling\n"), (["-q"], ""), ([], "compiling\n")):
        notices.forget()
        assert CliRunner().invoke(command, arguments).stderr == said
