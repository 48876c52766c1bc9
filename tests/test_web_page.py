"""The web page of a run as people use it: in a real Chromium, from a file and from a web server."""

import contextlib
import functools
import http.server
import re
import socket
import sqlite3
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from astropy.table import Table
from markupsafe import escape
from running import run, run_tool

from wfc3_cte_monitor import correct_photometry, report, simulate
from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.pipeline.correct import coefficients_for, find_coefficients
from wfc3_cte_monitor.pipeline.sharing import shareable_command
from wfc3_cte_monitor.records import CorrectionFlag, FluxBin
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.slopes import loss
from wfc3_cte_monitor.tables import Schema, shipped_file

pytestmark = pytest.mark.slow

ALL = ("--pr", "all", "--ctecorr", "flt", "--jobs", "2")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folder of a run over four epochs with two post-flash levels, whose results are copied, too."""
    root = tmp_path_factory.mktemp("page")
    plan = simulate.default_plan(n_epochs=4, targets=("ngc104",), lengths=("l",), flashlvls=(0.0, 12.0), oddities=True)
    simulate.simulate_observatory(root, plan, seed=8, n_columns=96, jobs=2)
    lines = ("aprads = [3, 5]", f"path_to_automated_outputs = {str(root / 'web')!r}", "")
    (root / "config.py").write_text(shipped_file("config.example.py").read_text() + "\n" + "\n".join(lines))
    outcome = run(root / "config.py", *ALL, fast=False)
    assert outcome.code == 0, outcome.lines
    assert f"  report in {root / 'outputs' / 'finalresults' / 'report' / 'index.html'}" in outcome.lines
    return root


@pytest.fixture(scope="module")
def folder(root):
    return root / "outputs" / "finalresults" / "report"


@pytest.fixture(scope="module")
def address(folder):
    """Of the report on a web server of this machine."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def opened(browser, address):
    """``opened('index.html')``: a page that must neither complain nor ask another server for anything."""
    wrong, pages = [], []

    def open_page(name, width=1200, at=address, losses=None, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        if losses:
            text = report.script_text("cteLosses", losses)
            page.route("**/data/losses.js*", lambda route: route.fulfill(body=text, content_type="text/javascript"))
        page.on("console", lambda message: message.type in ("error", "warning", "trace") and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("request", lambda r: r.url.startswith((at, "data:")) or wrong.append(f"elsewhere: {r.url}"))
        page.goto(f"{at}/{name}")
        page.wait_for_load_state("load")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert wrong == []


def explorer(opened, fragment="", **options):
    page = opened(f"index.html{fragment}", **options)
    page.wait_for_selector("#figure .points path")
    return page


def middle_of(point):
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


# ---- The explorer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("from_file", [True, False], ids=["file", "server"])
def test_it_opens_without_a_complaint(opened, folder, from_file):
    page = explorer(opened, at=folder.as_uri()) if from_file else explorer(opened)
    assert "CTE monitor" in page.title()
    assert re.search(r"\d+ points of \d+ pairs", page.inner_text("#found"))


def test_a_point_tells_what_the_database_has(opened, root):
    page = explorer(opened, "#x=date&flashlvl=0&bin=0")
    settings = read_settings(root / "config.py")
    with Database(settings.database_url, Schema(settings.target_list, settings.aprads, settings.bins)) as database:
        table = database.slopes("ngc104", 3, FILTER="F502N", LENGTH="l", FLASHLVL=0.0, CTECORR=0)
    table = table[table["lo"] == settings.fluxbins_lo[0]]
    points = page.locator("#figure .points path")
    assert points.count() == np.count_nonzero(table["n_points"] >= 10) == 4
    page.mouse.move(*middle_of(points.first))
    page.wait_for_selector("#figure .hoverlayer text")
    told, row = page.text_content("#figure .hoverlayer"), table[0]
    assert row["imagename_1"] in told and row["imagename_2"] in told and f"{row['n_points']} stars" in told
    value, err = re.search(r"loss (−?[\d.]+) ± ([\d.]+) mag", told).groups()
    assert np.isclose(float(value.replace("−", "-")), loss(row["magslope"], "mag"), atol=1e-4)
    assert np.isclose(float(err), loss(row["magslope_err"], "mag"), atol=1e-4)


def test_a_click_leads_to_the_pair(opened):
    page = explorer(opened, "#x=date&flashlvl=0")
    where = middle_of(page.locator("#figure .points path").first)
    page.mouse.move(*where)
    page.wait_for_selector("#figure .hoverlayer text")
    page.mouse.click(*where)
    page.wait_for_url("**/pairs/*_flt.html")
    page.wait_for_load_state("networkidle")
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    assert page.locator("img").count() == 4, "both exposures, and a figure for each aperture"
    assert page.locator("table").count() == 5, "facts, slopes for each aperture, way of the stars, flags"


def test_what_is_chosen_is_drawn_and_stays_in_the_address(opened):
    page = explorer(opened)
    both = page.locator("#figure .points path").count()
    page.uncheck("[name=flashlvl][value='12']")
    page.wait_for_function(f"document.querySelectorAll('#figure .points path').length < {both}")
    page.select_option("[name=first]", index=2)
    page.wait_for_function("document.querySelectorAll('#figure .points path').length === 2")
    page.select_option("[name=x]", "flux")
    page.wait_for_function("document.querySelectorAll('#figure .points path').length > 4")
    assert page.locator("[name=bin]").is_disabled()
    drawn, said = page.locator("#figure .points path").count(), page.inner_text("#found")
    again = explorer(opened, f"#{page.url.partition('#')[2]}")
    assert again.locator("#figure .points path").count() == drawn
    assert again.inner_text("#found") == said
    again.select_option("[name=x]", "background")
    again.wait_for_function("document.querySelectorAll('#figure .points path').length === 2")


# Four epochs without post-flash, two with.
@pytest.mark.parametrize(("against", "lines", "colors"), [("date", 2, 2), ("flux", 6, 4), ("background", 4, 4)])
def test_the_published_model_is_drawn_unless_it_is_not_wanted(opened, against, lines, colors):
    page = explorer(opened, f"#x={against}")
    drawn = page.locator("#figure .js-line")
    assert drawn.count() == lines
    assert len({line.evaluate("line => line.style.stroke") for line in drawn.all()}) == colors
    page.uncheck("[name=model]")
    page.wait_for_function("document.querySelectorAll('#figure .js-line').length === 0")
    assert page.inner_text("#lines") == ""


def test_a_sentence_says_what_the_lines_are(opened):
    page = explorer(opened, "#x=flux")
    epochs = "2010.74, 2012.19, 2014.53, 2017.05"
    dashes = "solid: no flash, dashed: flash 12 e⁻/px"
    assert page.text_content("#figure .cbcoloraxis-title, #figure .cbtitle") == "epoch"
    assert page.inner_text("#lines") == f"Lines: the published coefficients, for the epochs {epochs}; {dashes}."
    page.select_option("[name=x]", "background")
    page.wait_for_function("document.querySelectorAll('#figure .js-line').length === 4")
    assert f"at the median flux of the bin, for the epochs {epochs}." in page.inner_text("#lines")
    page.select_option("[name=x]", "date")
    page.wait_for_function("document.querySelectorAll('#figure .js-line').length === 2")
    assert page.inner_text("#lines") == "Lines: the published coefficients at the median flux of the bin."


@pytest.mark.parametrize("against", ["flux", "background"])
def test_a_line_has_the_colour_of_the_points_of_its_epoch(opened, against):
    page = explorer(opened, f"#x={against}&flashlvl=0")
    points = {point.evaluate("point => point.style.fill") for point in page.locator("#figure .points path").all()}
    lines = {line.evaluate("line => line.style.stroke") for line in page.locator("#figure .js-line").all()}
    assert len(points) == 4 and lines == points
    assert all(contrast_on_white(color) > 2.5 for color in lines)


def contrast_on_white(color):
    """As WCAG 2.1 defines it."""
    channels = np.array([int(value) / 255 for value in re.findall(r"\d+", color)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)


def cluster(name, dates):
    """Losses of a cluster without post-flash, a pair per date [MJD]."""
    n = len(dates)
    columns = {
        **{f"imagename_{k}": [f"{name}_{date}_{k}.fits" for date in dates] for k in (1, 2)},
        **{"mjd": dates, "epoch": dates, "background": [1.5] * n, "lo": [500.0] * n, "hi": [1000.0] * n},
        **{"n_points": [50] * n, "logflux": [2.85] * n, "loss": [0.1] * n, "loss_err": [0.01] * n},
    }
    about = {"filter": "F502N", "length": "l", "flashlvl": 0.0, "ctecorr": False, "aperture": 3.0, "loss_unit": "mag"}
    return Table(columns, meta={"target": name, **about})


@pytest.fixture
def many(opened):
    """The explorer with twenty epochs of one cluster and five of another, given the fragment."""
    dates = np.linspace(55200, 58000, 20), np.linspace(55100, 58100, 5)
    tables = [cluster(name, of.tolist()) for name, of in zip(("ngc104", "ngc6791"), dates, strict=True)]
    losses = report.explorer_data(tables, {}, [FluxBin(500, 1000)], [FluxBin(500, 1000)])
    return lambda fragment="": explorer(opened, fragment, losses=losses)


def epochs_offered(page, name):
    labels = page.locator(f"[name={name}] option").all_inner_texts()
    return labels, page.locator(f"[name={name}] option:checked").inner_text()


def test_of_many_epochs_some_have_lines_the_first_and_the_last_among_them(many):
    page = many("#x=flux")
    assert page.locator("#figure .js-line").count() == 6
    labels, _ = epochs_offered(page, "first")
    told = re.findall(r"\d{4}\.\d\d", page.inner_text("#lines"))
    assert "for 6 of the 20 epochs" in page.inner_text("#lines")
    assert len(told) == 6 and (told[0], told[-1]) == (labels[0], labels[-1])


def test_the_epochs_of_the_chosen_cluster_are_offered(many):
    page = many()
    labels, first = epochs_offered(page, "first")
    assert len(labels) == len({*labels}) == 20 and first == labels[0]
    page.select_option("[name=target]", "ngc6791")
    page.wait_for_function("document.querySelectorAll('#figure .points path').length === 5")
    labels, first = epochs_offered(page, "first")
    assert len(labels) == 5
    assert (first, epochs_offered(page, "last")[1]) == (labels[0], labels[-1]), "all stay all"
    page.select_option("[name=first]", index=2)
    page.select_option("[name=target]", "ngc104")
    page.wait_for_function("document.querySelectorAll('#figure .points path').length > 5")
    assert abs(float(epochs_offered(page, "first")[1]) - float(labels[2])) < 0.3, "the nearest one"


def test_an_address_of_before_leads_to_the_nearest_epochs(many):
    page = many("#target=ngc6791&first=55836.4&last=57352.9")
    assert page.locator("#figure .points path").count() == 3


def test_all_sets_of_a_cluster_have_the_same_epochs(opened):
    labels, _ = epochs_offered(explorer(opened), "last")
    assert labels == ["2010.74", "2012.19", "2014.53", "2017.05"]


def test_the_axes_have_readable_numbers(opened):
    page = explorer(opened, "#x=flux")
    assert page.locator("#figure .xtick text").all_text_contents() == ["500", "1000", "2000", "5000", "10000", "20000"]
    page = explorer(opened, "#x=date&first=57772&last=57772")
    labels = page.locator("#figure .xtick text").all_text_contents()
    assert len(labels) == len({*labels}) > 1 and all(re.fullmatch(r"20\d\d(\.\d+)?", label) for label in labels)


def test_a_tap_tells_the_numbers_and_leads_to_the_pair(opened):
    page = explorer(opened, "#x=date&flashlvl=0", width=390, has_touch=True, is_mobile=True)
    here = page.url
    page.touchscreen.tap(*middle_of(page.locator("#figure .points path").first))
    page.wait_for_selector("#told a")
    assert page.url == here and re.search(r"\d+ stars\nloss .* ± ", page.inner_text("#told"))
    assert page.get_attribute("#told", "role") == "status"
    assert page.locator("#figure .hoverlayer text").count() == 0, "nothing hides the figure"
    page.tap("#told a")
    page.wait_for_url("**/pairs/*_flt.html")


def test_the_table_has_the_points_and_the_figure_for_print_is_of_the_choice(opened):
    page = explorer(opened)
    page.click("#points summary")
    page.wait_for_selector("#points tbody tr")
    assert page.locator("#points tbody tr").count() == page.locator("#figure .points path").count()
    assert page.locator("#points tbody a").first.get_attribute("href").startswith("pairs/")
    assert "cteVStime_F502N_l_pf0_ctecorrFalse_r3.png" in page.get_attribute("#print a.png", "href")
    page.select_option("[name=x]", "flux")
    assert "cteVSlogflux_ngc104_F502N_l_pf0_ctecorrFalse_r3.png" in page.get_attribute("#print a.png", "href")


# ---- The calculator --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_all", [True, False], ids=["all levels", "single levels"])
def test_a_thousand_corrections_are_those_of_correct_photometry(opened, root, of_all):
    rng = np.random.default_rng(4)
    flux = 10 ** rng.uniform(1.5, 6, 1000) * rng.choice([1, -1], 1000, p=[0.99, 0.01])
    mjd, rows, background = rng.uniform(54000, 60000, 1000), rng.uniform(-20, 2100, 1000), rng.uniform(0, 60, 1000)
    sets = coefficients_for(find_coefficients([root / "outputs" / "finalresults"]))
    some = [one for one in sets if of_all or one.flashlvl is not None]
    assert (some[0].flashlvl is None or some[-1].flashlvl is None) is of_all, "there must be a model of all levels"
    known = correct_photometry(some, flux=flux, mjd=mjd, n_transfers=rows, background=background, length="l")
    stars = [
        dict(zip(("flux", "mjd", "rows", "background"), map(float, star), strict=True))
        for star in zip(flux, mjd, rows, background, strict=True)
    ]
    found = explorer(opened).evaluate(
        """([stars, ofAll]) => {
            const sets = window.cteCoefficients.filter((s) => s.length === "l" && !s.ctecorr && s.aperture === 3
                && (ofAll || s.flashlvl !== null));
            return stars.map((star) => cte.correct(sets, star)).map((one) => [one.correction, one.error, one.flags]);
        }""",
        [stars, of_all],
    )
    value, error = (np.array([one[k] for one in found], dtype=float) for k in (0, 1))
    assert np.isfinite(value).sum() > 800
    np.testing.assert_allclose(value, known.correction, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(error, known.correction_err, rtol=1e-7, atol=1e-12)
    flags = [sum(CorrectionFlag[name] for name in names) for *_, names in found]
    assert flags == known.flags.tolist()


def test_the_form_of_the_calculator(opened):
    page = explorer(opened)
    page.fill("#calculator [name=date]", "2016-01-01")
    page.fill("#calculator [name=flux]", "800")
    lost = float(re.match(r"(−?[\d.]+) ±", page.inner_text("#result"))[1].replace("−", "-"))
    assert lost > 0 and page.inner_text("#notes") == ""
    page.fill("#calculator [name=y]", "1")
    assert float(re.match(r"(−?[\d.]+) ±", page.inner_text("#result"))[1]) < lost / 100
    page.select_option("#calculator [name=chip]", "1")
    assert float(re.match(r"(−?[\d.]+) ±", page.inner_text("#result"))[1]) == pytest.approx(lost, abs=2e-4)
    page.fill("#calculator [name=date]", "2035-01-01")
    assert "DATE: extrapolated" in page.inner_text("#notes")
    page.fill("#calculator [name=background]", "500")
    page.fill("#calculator [name=flux]", "5")
    notes = page.locator("#notes li").all_inner_texts()
    assert {"DATE", "FLUX", "BACKGROUND"} <= {note.partition(":")[0] for note in notes}
    page.fill("#calculator [name=flux]", "")
    assert page.inner_text("#result") == "no correction" and "NOT_FINITE" in page.inner_text("#notes")


def test_the_coefficients_can_be_copied(opened):
    page = explorer(opened)
    page.click("#coefficients >> text=LaTeX, to be copied")
    page.click("text=copy LaTeX")
    page.wait_for_selector("button:has-text('copied')")
    assert page.input_value("#text-3-LaTeX").startswith(r"\begin{tabular}")
    assert page.input_value("#text-3-CSV").splitlines()[0].startswith("target,filter,length,")


# ---- All pages -------------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """The addresses that a page names, and the ids that it has."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        self.addresses += [attrs[name] for name in ("href", "src") if attrs.get(name)]


def broken_links(folder):
    pages = {path: Links(path.read_text()) for path in folder.rglob("*.html")}
    assert len(pages) > 8
    for page, links in pages.items():
        for address in links.addresses:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            fragment = parts.fragment if "=" not in parts.fragment else ""
            inside = folder.resolve() in target.parents
            if parts.scheme or not inside or not target.is_file() or (fragment and fragment not in pages[target].ids):
                yield page.name, address


def test_every_link_resolves_in_the_report_and_in_its_copy(root, folder):
    assert [*broken_links(folder)] == []
    assert [*broken_links(root / "web" / "report")] == []
    files = [
        sorted(p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file())
        for top in (folder, root / "web" / "report")
    ]
    assert files[0] == files[1]
    assert (root / "web" / "pf0" / "cte_vs_time").is_dir(), "the figures alone, as the guide has them"


@pytest.mark.parametrize("kind", ["index.html", "sets/*.html", "pairs/*.html"])
def test_no_serious_finding_of_axe(opened, folder, kind):
    from axe_playwright_python.sync_playwright import Axe

    name = sorted(folder.glob(kind))[0].relative_to(folder).as_posix()
    page = explorer(opened) if kind == "index.html" else opened(name)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("kind", ["index.html", "sets/*.html", "pairs/*.html"])
def test_a_phone_shows_it_without_scrolling_sideways(opened, folder, kind):
    name = sorted(folder.glob(kind))[0].relative_to(folder).as_posix()
    page = explorer(opened, width=390) if kind == "index.html" else opened(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_captions_and_sets_can_be_read_on_a_phone(opened):
    page = explorer(opened, width=390)
    page.click("#glance summary")
    box = page.locator("#glance caption span").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    region = page.locator("#glance .scroll")
    assert region.evaluate("one => one.scrollWidth > one.clientWidth + 200")
    assert region.evaluate("one => getComputedStyle(one).backgroundImage").count("gradient") == 4, (
        "a shade where it is cut"
    )
    region.evaluate("one => { one.scrollLeft = 300; }")
    assert page.locator("#glance caption span").bounding_box()["x"] == box["x"], "it stays in view"
    assert page.locator("#glance td.set").first.bounding_box()["width"] >= 140


def test_figures_open_in_full_size(opened, folder):
    name = sorted(folder.glob("sets/*.html"))[0].relative_to(folder).as_posix()
    page = opened(name, width=390)
    assert "opens it in full size" in page.inner_text("main")
    png = page.locator("figcaption >> text=full size (PNG)").first.get_attribute("href")
    assert png.endswith(".png") and page.locator("figure > a").first.get_attribute("href") == png


def test_no_page_tells_of_the_machine(root, folder):
    for path in (path for kind in ("html", "js", "json") for path in folder.rglob(f"*.{kind}")):
        text = path.read_text()
        assert str(root) not in text and "sqlite:" not in text, path
        assert path.suffix == ".js" or not re.search(rf"\b{re.escape(socket.gethostname())}\b", text), path


def test_the_way_of_the_stars(root, folder):
    path = sorted((folder / "pairs").glob("*.html"))[0]
    text = path.read_text().partition("The way of the stars</h2>")[2].partition("</table>")[0]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", text)
    steps = {step: np.array(re.findall(r">(\d+)<", numbers), dtype=int) for step, numbers in rows}
    one, two = (f"{name}_flt.fits" for name in path.stem.split("_")[:2])
    with contextlib.closing(sqlite3.connect(root / "database" / "uvis_external_cte.db")) as connection:
        joined = connection.execute(
            "SELECT NUMSTARS FROM ngc104_results WHERE IMAGENAME_1 = ? AND IMAGENAME_2 = ? ORDER BY APERTURE",
            (one, two),
        ).fetchall()
        measured = connection.execute("SELECT NUMSTARS FROM ngc104_fileinfo WHERE IMAGENAME = ?", (one,)).fetchone()
    assert steps["without a flag on both"].tolist() == [number for (number,) in joined]
    assert steps[f"measured on {one}"].tolist() == [*measured] * 2
    assert np.all(steps[f"without a flag on {two}"] <= steps[f"measured on {two}"])
    left = steps["in the lines of the bins that do not overlap"], steps["outside of these bins, or clipped as outliers"]
    assert np.all(left[0] > 0) and np.all(left[1] >= 0) and np.all(sum(left) == steps["without a flag on both"])


def test_the_words_are_explained(opened):
    page = explorer(opened)
    page.click("text=What the words mean >> nth=0")
    page.click("#words summary")
    words = page.inner_text("#words dl")
    assert all(word in words for word in ("pf0", "FLT, FLC", "post-flash", "x-dither", "S(d, f)", "epoch"))


def test_it_tells_of_the_run(root, folder):
    text = (folder / "index.html").read_text()
    with contextlib.closing(sqlite3.connect(root / "database" / "uvis_external_cte.db")) as connection:
        command, user = connection.execute("SELECT COMMAND, USERNAME FROM runs WHERE id = 1").fetchone()
    assert f"<code>{escape(shareable_command(command))}</code>" in text and f"{user}, 20" in text
    assert "<span>uvis_external_cte.db, sqlite" in text
    assert "left out: " in text and "rows checked" in text
    assert "This is the first run that this page knows." in text


# ---- The next run ----------------------------------------------------------------------------------------------------


def test_another_run_compares_and_writes_only_the_pages_that_change(root, folder):
    before = {path: path.stat().st_mtime_ns for path in (folder / "pairs").glob("*.html")}
    outcome = run(root / "config.py", *ALL, fast=False)
    assert outcome.code == 0 and outcome.count("pairs measured") == 0
    assert "Nothing has changed: " in (folder / "index.html").read_text()
    assert {path: path.stat().st_mtime_ns for path in (folder / "pairs").glob("*.html")} == before
    (root / "config.py").write_text((root / "config.py").read_text() + "\nmax_shift = 1.4\n")
    assert run(root / "config.py", *ALL, "--flashlvl", "12", fast=False).code == 0
    after = {path: path.stat().st_mtime_ns for path in (folder / "pairs").glob("*.html")}
    changed = {path.name for path in before if after[path] != before[path]}
    assert len(changed) == 2 and len(after) == len(before) == 6


def test_a_damaged_report_of_before_costs_the_comparison_alone(root, folder):
    (folder / "data" / "losses.js").write_text('window.cteLosses = {"unit": "mag / 2051 px"};')
    (folder / "assets" / "plotly-0.0.min.js").write_text("of another version")
    outcome = run(root / "config.py", *ALL, fast=False)
    assert outcome.code == 0, outcome.lines
    assert "of another version, or damaged" in (folder / "index.html").read_text()
    assert not (folder / "assets" / "plotly-0.0.min.js").exists()


def test_the_command_writes_the_page_again(root, folder):
    (folder / "index.html").unlink()
    (folder / "pairs" / "i0000000q_i0000001q_flt.html").write_text("of a pair that is no more")
    outcome = run_tool("report", "--config", root / "config.py", "--jobs", "1")
    assert outcome.code == 0 and Path(outcome.out.strip()) == folder / "index.html"
    assert "This run" in (folder / "index.html").read_text()
    assert not (folder / "pairs" / "i0000000q_i0000001q_flt.html").exists()
    assert [*broken_links(folder)] == []


@pytest.mark.parametrize("told", ["[]", '{"run": {}}', "{", '{"run": {"command": "a \\"b"}}'])
def test_what_was_told_of_the_last_run_and_is_damaged_costs_that_alone(root, folder, told):
    before = (folder / "run.json").read_bytes()
    (folder / "run.json").write_text(told)
    outcome = run_tool("report", "--config", root / "config.py", "--jobs", "1")
    assert outcome.code == 0, outcome.lines
    assert "No run has been recorded by this page yet." in (folder / "index.html").read_text()
    (folder / "run.json").write_bytes(before)


def test_without_a_database_the_command_says_so(make_config):
    outcome = run_tool("report", "--config", make_config(), "--jobs", "1")
    assert outcome.code == 2 and len(outcome.err.splitlines()) == 1


def test_an_empty_database_has_a_page(make_config):
    config = make_config()
    assert run_tool("database", "create", "--config", config).code == 0
    outcome = run_tool("report", "--config", config, "--jobs", "1")
    assert outcome.code == 0, outcome.err
    assert "There are no losses in the database yet." in Path(outcome.out.strip()).read_text()
