"""Every example in a docstring prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.meta.sources import module_name, package_files

WITH_EXAMPLES = [path for path in package_files() if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=module_name)
def test_the_examples_of_a_module_print_what_they_say(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = doctest.testmod(importlib.import_module(module_name(path)))
    assert done.attempted > 0
    assert done.failed == 0, capsys.readouterr().out


def test_an_example_that_prints_something_else_fails() -> None:
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda text: None).failed == 1
