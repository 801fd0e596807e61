"""What the documentation is built with: generated parts, docstrings, the checker of links. `make docs` builds it."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.meta.sources import ROOT

sys.path.insert(0, str(ROOT / "docs"))

from building import checking, docstrings, generated, shells


def test_every_variable_command_figure_and_public_name_stands_on_a_page() -> None:
    import mfsym
    from mfsym.cli import COMMANDS
    from mfsym.figures import FIGURES
    from mfsym.variables import VARIABLES

    found = {name: set(part()) for name, part in generated.PARTS.items() if name != "contents"}
    assert set(VARIABLES) <= found["variables"]
    assert {f"### mfsym {name}" for name in COMMANDS} <= found["commands"]
    assert {f"## {name}" for name in FIGURES} <= found["figures"]
    named = {line.partition("mfsym.")[2] for line in found["api"] if line.startswith(".. auto")}
    assert named == set(mfsym.__all__) - {"__version__"}


def test_every_page_is_in_the_table_of_contents() -> None:
    pages = {str(path.relative_to(ROOT / "docs").with_suffix("")) for path in (ROOT / "docs").rglob("*.md")}
    listed = {name for names in generated.PAGES.values() for name in names}
    assert pages - {"index"} <= listed


def test_the_table_from_theory_to_code_refuses_names_that_are_not_there() -> None:
    assert any("Wasserstein" in row for row in generated.theory())
    with pytest.raises(ModuleNotFoundError):
        generated.resolved("mfsym.groups.nonsense")


def test_measured_tables_are_taken_whole_or_by_column() -> None:
    whole = generated.completed("% table: start.md: empty cache").splitlines()
    first = generated.completed("% table: start.md: empty cache: empty cache").splitlines()
    assert len(whole) == len(first) > 3
    assert first[2].count("|") == 2
    with pytest.raises(KeyError):
        generated.completed("% table: start.md: nonsense")


def test_a_docstring_becomes_a_definition_list() -> None:
    lines = [
        "Squared distance, |z_i - P z_i|^2 in all.",
        "",
        "z : (N, p) particles.  subspace : E^G, see ``w2``.",
        "Returns a float >= 0; ``other`` is code.",
        "",
        ">>> 1 + 1",
        "2",
    ]
    assert docstrings.converted(lines, {"w2"}) == [
        r"Squared distance, \|z\_i - P z\_i\|^2 in all.",
        "",
        "``z``",
        "    (N, p) particles.",
        "",
        "``subspace``",
        "    E^G, see :py:obj:`w2 <mfsym.w2>`.",
        "",
        "Returns a float >= 0; ``other`` is code.",
        "",
        ">>> 1 + 1",
        "2",
        "",
    ]


GOOD = '<a href="b.html#there">b</a><img src="picture.png"><a href="https://example.org">far</a>'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GOOD, ""),
        ('<a href="b.html#gone">b</a>', "leads to no anchor"),
        ('<a href="c.html">c</a>', "leads to no file"),
        ('<a href="#gone">here</a>', "leads to no anchor"),
        ('<script src="https://example.org/x.js"></script>', "loads https"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "loads //"),
    ],
)
def test_the_checker_finds_dead_links_and_what_is_loaded_from_afar(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.html").write_text(text)
    (tmp_path / "b.html").write_text('<h1 id="there">b</h1>')
    (tmp_path / "picture.png").write_bytes(b"")
    found = list(checking.faults(tmp_path))
    assert len(found) == bool(fault)
    assert not fault or fault in found[0]


def test_a_cell_for_the_shell_runs_stops_at_the_first_failure_and_shows_its_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = "text\n\n```{code-cell} sh\n:tags: [hide-input]\necho 'a ± b'\necho c >&2\n```\n"
    cell = shells.as_python(page)
    assert ":tags: [hide-input]\nfrom building" in cell
    call = cell.partition("hide-input]\n")[2].partition("\n```")[0]
    assert shells.as_shell(call) == "echo 'a ± b'\necho c >&2"
    assert shells.as_shell("print(1)") is None
    exec(compile(call, "cell", "exec"), {})
    assert capsys.readouterr().out == "a ± b\nc\n"
    with pytest.raises(RuntimeError, match="exit code 3"):
        shells.run("bash -c 'exit 3'\necho later")


CELL = re.compile(r"^```\{code-cell\} ipython3\n((?::[^\n]*\n)*)(.*?)^```$", re.MULTILINE | re.DOTALL)


def _names(code: str, kind: type[ast.expr_context]) -> set[str]:
    """The names that a cell loads, or those that it stores, functions included."""
    nodes = list(ast.walk(ast.parse(code)))
    found = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, kind)}
    return found | {node.name for node in nodes if isinstance(node, ast.FunctionDef) and kind is ast.Store}


def _untested(page: str) -> list[str]:
    """What is wrong with the exercises of a tutorial: each needs a folded answer and a cell that checks it."""
    parts = re.split(r"^### (Exercise [^\n]*)$", page, flags=re.MULTILINE)
    wrong = [] if 3 <= len(parts) // 2 <= 5 else [f"{len(parts) // 2} exercises"]
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        cells = CELL.findall(text)
        places = [place for place, (tags, _) in enumerate(cells) if "hide-cell" in tags]
        check = cells[places[0] + 1][1] if places and places[0] + 1 < len(cells) else ""
        if not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(check))):
            wrong.append(f"{title}: no answer with a check after it")
        elif not _names(cells[places[0]][1], ast.Store) & _names(check, ast.Load):
            wrong.append(f"{title}: the check does not use the answer")
    return wrong


TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_answers_of_a_tutorial_are_checked_when_it_is_built(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert page.startswith("---\nfile_format: mystnb\n"), "its cells would not run"
    assert "\n  display_name: Python 3\n" in page, "jupytext makes no notebook of a page without it"
    assert _untested(page) == []
    assert "skip-execution" not in page
    assert "raises-exception" not in page


def test_there_is_a_tutorial_for_every_system() -> None:
    assert {path.stem for path in TUTORIALS} == {"training", "symmetrisers", "quotients", "latents"}


@pytest.mark.parametrize(
    ("answer", "check", "fault"),
    [
        ("a = 1", "assert a == 1", ""),
        ("a = 1", "print(a)", "no answer with a check"),
        ("a = 1", "b = 2\nassert b == 2", "does not use the answer"),
    ],
)
def test_an_exercise_without_a_check_of_its_answer_is_found(answer: str, check: str, fault: str) -> None:
    cells = f"```{{code-cell}} ipython3\n:tags: [hide-cell]\n{answer}\n```\n```{{code-cell}} ipython3\n{check}\n```\n"
    found = _untested("".join(f"### Exercise {k}: x\n{cells}" for k in (1, 2, 3)))
    assert len(found) == (3 if fault else 0)
    assert all(fault in each for each in found)


def test_readme_is_short_and_what_it_names_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 120
    linked = re.findall(r"\]\(([^)#:]+)\)", readme)
    named = re.findall(r"`(tests/[^`]+)`", readme)
    assert len(linked) > 10
    assert len(named) > 5
    assert [name for name in linked + named if not (ROOT / name).is_file()] == []
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme)
    assert len(pictures) == 1
    assert (ROOT / pictures[0]).stat().st_size < 100_000
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?:^|`)make ([a-z-]+)", readme, re.MULTILINE)
    assert len(targets) > 4
    assert [name for name in targets if f"\n{name}:" not in makefile] == []
