"""The documentation as a site: `make docs` builds it into site/, without network."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # for the extension `pages`

project = html_title = "pielab"
author, release = "the pielab authors", importlib.metadata.version("pielab")
extensions = ["myst_nb", "sphinx.ext.autodoc", "pages"]
# The sources are the project's folder, so that a link in them leads to the same file here and in the repository.
root_doc = "docs/index"
include_patterns = ["docs/**.md", "notebooks/*.ipynb", "benchmarks/RESULTS.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = [".venv", "results", "build"]

nb_execution_mode = "off"  # the stored outputs are the record, and nbval holds them
myst_heading_anchors = 4
default_role = "code"
smartquotes = False  # it would write --option with a dash
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

html_theme = "furo"
html_static_path, templates_path = ["static"], ["templates"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_additional_pages = {"index": "redirect.html"}
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
