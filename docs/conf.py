"""Sphinx: every page is MyST, every code cell runs, nothing is fetched while building or reading."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from building.conversions import install  # noqa: E402

from mfsym import __version__  # noqa: E402


def mathjax() -> str:
    """The one file of MathJax that draws formulas without fonts and without a network."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    assert found is not None
    assert found.submodule_search_locations is not None
    return str(Path(found.submodule_search_locations[0], "static", "mathjax", "tex-svg.js"))


project = "mfsym"
author = "the mfsym authors"
copyright = "the mfsym authors"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]
nitpicky = True
highlight_language = "none"

html_theme = "furo"
html_title = f"mfsym {version}"
html_static_path = ["_static", mathjax()]
html_css_files = ["quiet.css"]
html_copy_source = False
html_show_search_summary = False
mathjax_path = "tex-svg.js"

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

nb_execution_mode = "force"
nb_execution_raise_on_error = False  # a failing cell is a warning, hence an error of the build, and the others run
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_output_stderr = "remove-warn"
nb_merge_streams = True

autodoc_typehints = "none"
autodoc_member_order = "bysource"
add_module_names = False

# The environment of every cell: its `mfsym` is this one, pictures are importable, results repeat bit for bit.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["PYTHONPATH"] = os.pathsep.join([str(DOCS), str(DOCS.parent), os.environ.get("PYTHONPATH", "")])
os.environ["MATPLOTLIBRC"] = str(DOCS / "building" / "matplotlibrc")
os.environ["SOURCE_DATE_EPOCH"] = "1764288000"
os.environ["_MFSYM_QUIET"] = "1"
os.environ["COLUMNS"] = "100"


def setup(app):
    """Generated parts of pages, and docstrings in reStructuredText."""
    install(app)
