"""The page in a headless Chromium: it draws, moves and sorts, complains of nothing and asks for nothing."""

import json
import os
import shutil

import pytest
from report_studies import declared_study, distilled, outcomes_of, small_run

from teachrl.studies.page import render, run_data, study_data
from teachrl.teachers import ALPGMM

BROWSER = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
POINTS = "() => [...document.querySelectorAll('#map .plot')].map((p) => p.data.find((t) => t.name === 'episodes').x)"
RINGS = "() => document.querySelector('#map .plot').data.find((t) => t.name === 'mastered')?.x.length"
LAST = "() => DATA.map.runs[0].evaluations.at(-1).mastered.filter((m) => m === 1).length"
CHARTS = "() => [...document.querySelectorAll('#distillation-charts .plot')].map((p) => p.IT)"
FIRST_COLUMN = "(id) => [...document.querySelectorAll(`#${id} tbody tr`)].map((r) => r.cells[0].textContent)"

pytestmark = pytest.mark.skipif(
    BROWSER is None and os.environ.get("TEACHRL_BROWSER") != "required", reason="there is no Chromium here"
)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages by name: a study, runs with tasks of several kinds, and what has only begun."""
    home = tmp_path_factory.mktemp("pages")
    run = small_run(home / "a", teacher=ALPGMM(fit_rate=40), steps=320)
    other = small_run(home / "b", seed=1, steps=320)
    declared = declared_study(12, question="Does </script> it & <b>help</b>?")
    places = {("uniform", 0): other, ("alp-gmm", 0): run, ("alp-gmm", 3): other}
    outcomes = outcomes_of(declared, places, failed=[("alp-gmm", 1)], waiting=[("uniform", 2)])
    taught = {name: distilled_run(run, home / name, k) for k, name in enumerate(("taught", "hacking"))}
    two = declared_study(2, causal=False)
    learned = {
        (label, s): taught[name] for label, name in zip(("uniform", "alp-gmm"), taught, strict=True) for s in (0, 1)
    }
    everyone = [(v.label, s) for v in declared.variants for s in declared.seeds]
    (home / "begun").mkdir()
    found = {
        "study": study_data(declared, outcomes),
        "waiting": study_data(declared, outcomes_of(declared, waiting=everyone)),
        "run": run_data(run),
        "one": run_data(small_run(home / "one", dims=1)),
        "four": run_data(small_run(home / "four", dummies=2)),
        "begun": run_data(home / "begun"),
        "hacking": run_data(taught["hacking"]),
        "taught": study_data(two, outcomes_of(two, learned)),
    }
    for name, data in found.items():
        (home / f"{name}.html").write_text(render(data), encoding="utf-8")
    return home


def distilled_run(run, place, hacks):
    """A run's directory with the numbers of a distillation."""
    shutil.copytree(run, place)
    rows = distilled(hacks, hacks=bool(hacks))
    rows[-1] |= {"teacher/WordsAsBeacons/plans/live": 1200.0, "teacher/WordsAsBeacons/plans/fallback": 300.0}
    (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.fixture
def open_page(browser, pages):
    """Opens pages by name; when the test is over, none of them has complained or asked for anything."""
    noted, opened = [], []

    def open_one(name, **options):
        page = browser.new_page(viewport={"width": 1200, "height": 900}, **options)
        page.on("console", lambda message: noted.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: noted.append(f"error: {error}"))
        page.on("request", lambda request: noted.append(request.url))
        page.goto((pages / f"{name}.html").as_uri())
        opened.append(page)
        return page

    yield open_one
    assert [line for line in noted if not line.startswith(("file://", "data:"))] == []
    assert sum(line.startswith("file://") for line in noted) == len(opened)
    for page in opened:
        page.close()


@pytest.mark.parametrize("name", ["study", "waiting", "run", "one", "four", "begun", "hacking", "taught"])
def test_every_page_draws(open_page, name):
    page = open_page(name)
    assert page.inner_text("h1")
    assert page.inner_text("#verdict")
    assert page.evaluate("() => document.querySelectorAll('main section:not([hidden])').length") >= 2
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")  # nothing is cut


def test_distillation_is_drawn_with_its_alarm(open_page):
    charts, lines = (
        CHARTS.replace("IT", it) for it in ("data.map((t) => t.y.length)", "layout.shapes.map((s) => s.x0)")
    )
    page = open_page("hacking")
    assert "The alarm was raised: the student came closer" in page.inner_text("#shortfall")
    assert page.evaluate(charts) == [[10], [10], [10, 10], [10, 10], [10], [10]]
    assert page.evaluate(lines) == [[9000], [9000], [], [], [], []]
    page = open_page("taught")
    assert [len(panel) for panel in page.evaluate(charts)] == [2, 2, 4, 4, 2, 2]
    assert page.evaluate(lines)[1] == [9000, 9000]
    page.click("#distillation .legend button >> nth=1")
    assert [len(panel) for panel in page.evaluate(charts)] == [1, 1, 2, 2, 1, 1]
    assert page.evaluate(lines)[1] == []
    assert not open_page("run").is_visible("#distillation")


def test_where_plans_came_from_is_told(open_page):
    row = open_page("taught").locator("#sources-table tbody tr").first
    assert row.inner_text().split("\t")[1:] == [
        "WordsAsBeacons",
        "3,000 plans",
        "live 2,400 (80.0\u00a0%), fallback 600 (20.0\u00a0%)",
    ]
    assert open_page("study").locator("#sources").is_hidden()


def test_words_of_the_study_are_words(open_page):
    page = open_page("study")
    assert page.inner_text(".question") == "Does </script> it & <b>help</b>?"
    assert "alp-gmm is better" in page.inner_text("#verdict")
    assert page.inner_text("#trouble summary") == "alp-gmm, seed 1: ValueError: </script><b>no</b>"
    page.click("#trouble summary")
    assert "ValueError: </script><b>no</b>" in page.inner_text("#trouble pre")


def test_what_was_not_shown_is_not_told_as_an_effect(open_page):
    page = open_page("study")
    assert page.evaluate("() => minus('is -1.5 [-2, 3.0] of alp-gmm -')") == "is −1.5 [−2, 3.0] of alp-gmm -"
    effect = "([low, high, n]) => effect({ value: (low + high) / 2, low, high, n }, 'success_rate', 10)"
    assert page.evaluate(effect, [0.1, 0.3, 10]) == "+20.0 points [+10.0, +30.0], above 0"
    assert page.evaluate(effect, [-0.3, -0.1, 10]).endswith("below 0")
    assert page.evaluate(effect, [-0.1, 0.3, 10]).endswith("not distinguishable from 0")
    assert page.evaluate(effect, [0.1, 0.3, 9]).endswith("+30.0]")  # too few runs to say
    page.evaluate("() => update({ ...DATA, plan: { ...DATA.plan, amendments: ['metric changed'] } })")
    assert "metric changed" in page.inner_text("#verdict")


def test_runs_that_stand_for_many_are_called_what_they_are(open_page):
    page = open_page("study")
    ranks = "(of) => [0, 1, 2].map((i) => rank({ map: { runs: [1, 2, 3], of }, variants: [{ label: 'a', values: { 4: 0, 5: 1, 6: 2 } }] }, 'a', [4, 5, 6].map((seed) => ({ seed })), i))"  # noqa: E501
    assert page.evaluate(ranks, 9) == [", worst", ", median", ", best"]
    assert page.evaluate(ranks, 3) == ["", "", ""]  # all are drawn


def test_a_run_without_an_end_says_when_it_last_wrote(open_page):
    page = open_page("run")
    told = "([live, ago]) => { STATE.live = live; return running(ago === null ? null : Date.now() / 1000 - ago); }"
    assert "going on" in page.evaluate(told, [True, 5])
    assert "nothing for 5.0 minutes" in page.evaluate(told, [True, 300])
    assert "last wrote at 20" in page.evaluate(told, [False, 5])
    assert page.evaluate(told, [False, None]) == "The run has not ended, or was killed."


def test_the_slider_moves_the_map(open_page):
    page = open_page("study")
    before, text = page.evaluate(POINTS), page.inner_text("#window-text")
    page.focus("#window")
    page.keyboard.press("End")
    assert page.evaluate(POINTS) != before
    assert page.inner_text("#window-text") != text
    assert page.evaluate(RINGS) == page.evaluate(LAST)
    page.keyboard.press("Home")
    assert page.evaluate(RINGS) is None  # nothing was evaluated yet
    assert all(page.evaluate(POINTS))


def test_play_goes_to_the_end(open_page):
    page = open_page("run")
    page.evaluate("() => { STATE.window = 13; }")
    page.click("#play")
    page.wait_for_function("() => STATE.window === DATA.map.edges.length - 1 && STATE.playing === null", timeout=10_000)
    assert page.inner_text("#play") == "Play"


def test_a_seed_and_a_colour_can_be_chosen(open_page):
    page = open_page("study")
    last = "document.querySelector('#map .panel:last-child .plot')"
    colours = f"() => {last}.data.find((t) => t.name === 'episodes').marker.color"
    before = page.evaluate(POINTS)
    page.select_option("#map .panel:last-child select", "0")
    after = page.evaluate(POINTS)
    assert after[0] == before[0]
    assert after[-1] != before[-1]
    seen = [page.evaluate(colours)]
    for colouring in ("progress", "success"):
        page.select_option("#map-colour", colouring)
        seen.append(page.evaluate(colours))
    assert all(len(colour) == len(after[-1]) for colour in seen)
    assert seen[0] != seen[1] != seen[2]
    page.check("#map-layer")
    assert page.evaluate("() => document.querySelector('#map .plot').data[0].type") == "heatmap"
    page.uncheck("#curriculum .chips input >> nth=0")
    assert page.locator("#map .panel").count() == len(after) - 1


def test_tables_sort(open_page):
    page = open_page("study")
    declared = page.evaluate(FIRST_COLUMN, "result-table")
    assert declared[:2] == ["uniform", "alp-gmm"]
    page.click("#result-table th:nth-child(3) button")
    falling = page.evaluate(FIRST_COLUMN, "result-table")
    assert falling == ["alp-gmm", "alp-gmm yoked", "alp-gmm shuffled", "uniform"]
    page.click("#result-table th:nth-child(3) button")
    assert page.evaluate(FIRST_COLUMN, "result-table") == falling[::-1]
    assert page.get_attribute("#result-table th:nth-child(3)", "aria-sort") == "ascending"
    page.click("#result-table th:nth-child(1) button")
    assert page.evaluate(FIRST_COLUMN, "result-table") == sorted(declared)


def test_axis_metric_and_variants_of_the_curves_switch(open_page):
    page = open_page("study")
    chart = "() => { const d = document.querySelector('#curve-chart'); const t = d.data.at(-1); return "
    steps = page.evaluate(chart + "[t.x.at(-1), d.layout.xaxis.title.text]; }")
    assert steps == [160, "student steps"]
    page.select_option("#curve-axis", "total_steps")
    assert page.evaluate(chart + "[t.x.at(-1), d.layout.xaxis.title.text]; }") == [320, "all environment steps"]
    page.select_option("#curve-axis", "cpu_seconds")
    assert page.evaluate(chart + "t.x.at(-1); }") < 4
    before = page.evaluate(chart + "t.y.at(-1); }")
    page.select_option("#curve-metric", "mean_return")
    assert page.evaluate(chart + "t.y.at(-1); }") == pytest.approx(10 * before, rel=1e-2)
    traces = page.evaluate(chart + "d.data.length; }")
    page.click("#curves .legend button >> nth=0")
    assert traces == 6  # four lines, and bands of the two arms
    assert page.evaluate(chart + "d.data.length; }") == 6  # three lines, each with its band
    page.check("#curve-runs")
    assert page.evaluate(chart + "d.data.length; }") > traces


def test_of_many_coordinates_two_are_chosen(open_page):
    page = open_page("four")
    before = page.evaluate(POINTS)
    page.select_option("#map-x", "2")
    assert page.evaluate(POINTS) != before
    title = (
        "() => [...document.querySelectorAll('#map .plot, #mastery-map .plot')].map((p) => p.layout.xaxis.title.text)"
    )
    assert len(set(page.evaluate(title))) == 1  # both maps show the same coordinates


def test_tasks_of_one_coordinate_are_drawn_over_time(open_page):
    page = open_page("one")
    titles = "({ xaxis, yaxis }) => [xaxis.title.text, yaxis.title.text]"
    assert page.evaluate(f"() => ({titles})(document.querySelector('#map .plot').layout)") == [
        "all environment steps",
        "x 0",
    ]


def test_new_data_keeps_what_was_chosen(open_page):
    page = open_page("study")
    page.fill("#window", "3")
    page.click("#result-table th:nth-child(3) button")
    page.select_option("#curve-axis", "cpu_seconds")
    order = page.evaluate(FIRST_COLUMN, "result-table")
    page.evaluate("() => update({ ...DATA, title: 'later' })")
    assert page.inner_text("h1") == "later"
    assert page.input_value("#window") == "3"
    assert page.input_value("#curve-axis") == "cpu_seconds"
    assert page.evaluate(FIRST_COLUMN, "result-table") == order


def test_it_is_readable_in_the_dark_and_on_paper(open_page):
    page = open_page("study", color_scheme="dark")
    ink = "() => document.querySelector('#curve-chart').layout.font.color"
    background = "() => getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ink), page.evaluate(background)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"(ink) => ({ink})() !== ink", arg=dark[0])
    light = page.evaluate(ink), page.evaluate(background)
    assert light[1] != dark[1]
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.wait_for_function(f"(ink) => ({ink})() !== ink", arg=dark[0])
