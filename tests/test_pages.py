"""The documents as pages: they build without a warning, ask nothing of a network, and their links lead somewhere."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from wfc3_cte_monitor.commands import run_uvis_external_cte, uvis_external_cte
from wfc3_cte_monitor.settings import CONFIG_VARIABLE, Settings
from wfc3_cte_monitor.tables import read_definition, shipped_file

DOCS = Path(__file__).parent.parent / "docs"
DEFINITIONS = sorted(shipped_file("table_definitions").rglob("*.txt"))
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements for which a browser fetches something by itself."""


class Page(HTMLParser):
    """Names of elements, where links lead, and what a browser loads."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        if tag == "a" and attributes.get("href"):
            self.links.add(attributes["href"])
        if attributes.get(LOADED.get(tag)):
            self.loaded.add(attributes[LOADED[tag]])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder of the pages; the build is that of ``make docs``, the tutorial being run by it."""
    folder = tmp_path_factory.mktemp("docs") / "html"
    shell = {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE}
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(folder)]
    done = subprocess.run(build, env=shell, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(built):
    """Name -> `Page`."""
    return {path.name: Page(path.read_text(encoding="utf-8")) for path in built.glob("*.html")}


@pytest.mark.slow
def test_every_page_is_built(pages):
    sources = {path.stem for path in (*DOCS.glob("*.md"), *DOCS.glob("*.ipynb"))}
    assert {f"{name}.html" for name in sources} <= pages.keys()


@pytest.mark.slow
def test_a_page_asks_nothing_of_a_network(built, pages):
    assert all(page.loaded for page in pages.values()), "the check must see what is loaded"
    assert not [(name, url) for name, page in pages.items() for url in page.loaded if re.match(r"(https?:)?//", url)]
    styles = [path for path in built.rglob("*.css")]
    assert styles
    assert not [path.name for path in styles if re.search(r"url\(['\"]?(https?:)?//|@import", path.read_text())]


@pytest.mark.slow
def test_links_lead_somewhere(built, pages):
    for name, page in pages.items():
        for link in page.links:
            target, _, anchor = unquote(link).partition("#")
            if re.match(r"(https?|mailto):", target):
                continue
            assert not target or (built / target).exists(), f"{name}: {link}"
            there = pages.get(target or name)
            assert not anchor or there is None or anchor in there.ids, f"{name}: {link}"


@pytest.mark.slow
def test_the_tutorial_was_run(built):
    text = (built / "tutorial.html").read_text(encoding="utf-8")
    n_figures = sum("plt." in "".join(cell["source"]) for cell in tutorial()["cells"] if cell["cell_type"] == "code")
    assert n_figures >= 3
    assert len(re.findall(r'<img [^>]*src="_images/', text)) == n_figures
    assert "stderr" not in text and "Traceback" not in text


@pytest.mark.slow
def test_equations_are_drawn_by_the_browser_itself(built):
    text = (built / "method.html").read_text(encoding="utf-8")
    assert text.count("<math ") > 10 and "\\frac" not in text and "$$" not in text


@pytest.mark.slow
def test_the_references_have_all_that_the_code_has(built):
    said = {
        name: (built / f"{name}.html").read_text(encoding="utf-8") for name in ("tables", "commands", "configuration")
    }
    for path in DEFINITIONS:
        assert not [c.name for c in read_definition(path) if f">{c.name}<" not in said["tables"]]
    for make in (run_uvis_external_cte.parser, uvis_external_cte.parser):
        options = {option for parser in with_children(make()) for a in parser._actions for option in a.option_strings}
        assert not [option for option in options - {"-h", "--help"} if option not in said["commands"]]
    of_the_command_line = {"config_file", "engine", "dq", "subset"}
    assert not [
        name for name in Settings.__dataclass_fields__.keys() - of_the_command_line if name not in said["configuration"]
    ]


def with_children(parser):
    yield parser
    for action in parser._actions:
        for child in action.choices.values() if isinstance(action.choices, dict) else ():
            yield from with_children(child)


def tutorial():
    return json.loads((DOCS / "tutorial.ipynb").read_text(encoding="utf-8"))


def test_the_tutorial_is_kept_without_outputs():
    """They would be those of another version."""
    assert not [cell for cell in tutorial()["cells"] if cell.get("outputs") or cell.get("execution_count")]


def test_the_first_figure_of_the_tutorial_takes_ten_lines():
    first = next(cell for cell in tutorial()["cells"] if cell["cell_type"] == "code")
    lines = [line for line in first["source"] if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 10


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_every_column_has_a_meaning(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.partition("#")[0].strip()]
    assert not [line for line in lines if not line.partition("#")[2].strip()]
