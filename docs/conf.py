"""Sphinx: how the documents are built. ``make docs`` does it, with warnings as errors and without a network."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "_ext"), str(Path(__file__).parent.parent)]

from wfc3_cte_monitor import __version__  # noqa: E402

project = "WFC3/UVIS external CTE monitor"
author = "the monitor's developers"
project_copyright = "BSD-3-Clause"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "mathml", "reference", "observatory"]
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_block"]
myst_heading_anchors = 4

# The notebook is run at every build: what it shows is what the code does now.
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
# numpydoc's own check of references would need what it links on the network.
numpydoc_xref_param_type = False

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["monitor.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_copyright = False
smartquotes = False
pygments_style = "friendly"
# Blocks without a language are commands of a shell, which the default would colour as Python.
highlight_language = "text"
templates_path = []
