"""The page in a real headless browser, from disk, by mouse and by keyboard.

Expectations: what the page says it can do, and the accessibility rules that axe-core knows.
"""

import json
from itertools import pairwise

import pytest

from tests.page.browser import Browser

pytestmark = [pytest.mark.xdist_group("page"), pytest.mark.timeout(1200)]

SHOWN = "[...document.querySelectorAll('article.card')].filter(c => c.checkVisibility()).map(c => c.id)"


def shown(page: Browser) -> list[str]:
    """Ids of the figures that can be seen."""
    page.wait("true")
    return page.evaluate(SHOWN)


def everything(page: Browser) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('article.card')].map(c => c.id)")


def of(page: Browser, key: str, value: str) -> list[str]:
    """Ids of the figures that belong to a study or have a claim with a verdict."""
    return page.evaluate(f"[...document.querySelectorAll('article[data-{key}~={json.dumps(value)}]')].map(c => c.id)")


def focused(page: Browser) -> str:
    return page.evaluate(
        "document.activeElement.id || document.activeElement.value || document.activeElement.className"
    )


# --- loading ------------------------------------------------------------------------------------------------------


def test_it_loads_without_a_complaint_and_asks_for_nothing_but_itself(page: Browser) -> None:
    assert page.complaints() == []
    assert page.requests() == [page.evaluate("location.href")]


def test_every_picture_is_there_and_can_be_seen(page: Browser) -> None:
    pictures = page.evaluate(
        "[...document.querySelectorAll('.picture img')].map(i => [i.complete && i.naturalWidth > 100,"
        " i.checkVisibility() && i.getBoundingClientRect().width > 100])"
    )
    assert pictures
    assert pictures == [[True, True]] * len(pictures)


def test_every_link_inside_the_page_leads_somewhere(page: Browser) -> None:
    broken = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href'))"
        ".filter(h => !document.getElementById(h.slice(1)))"
    )
    assert broken == []


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(page: Browser, width: int) -> None:
    page.size(width, 900)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# --- accessibility ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 1400), ("light", 400)])
def test_axe_finds_no_serious_violation(page: Browser, axe: str, scheme: str, width: int) -> None:
    page.prefer(scheme)
    page.size(width, 900)
    page.wait(f"document.documentElement.dataset.theme === '{scheme}'")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate(f"{axe}; 0")
    violations = page.evaluate("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in serious] == []


def test_headings_descend_without_a_gap(page: Browser) -> None:
    levels = page.evaluate("[...document.querySelectorAll('main :is(h2,h3,h4)')].map(h => Number(h.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_verdicts_are_said_in_words(page: Browser) -> None:
    badges = page.evaluate("[...document.querySelectorAll('.badge')].map(b => b.textContent.trim())")
    assert badges
    assert all("reproduced" in badge or "not testable" in badge for badge in badges)


# --- search and filters -------------------------------------------------------------------------------------------


def test_all_figures_are_shown_at_first(page: Browser) -> None:
    assert shown(page) == everything(page)


def test_searching_by_keyboard_leaves_the_figures_that_hold_all_words(page: Browser) -> None:
    page.press("/")
    assert focused(page) == "search"
    page.type("hidden Target ALIGNMENT_depth")
    found = shown(page)
    assert found
    assert len(found) < len(everything(page))
    assert "target_alignment_depth" in found
    assert page.evaluate("document.querySelector('#found').textContent").startswith(f"{len(found)} of ")
    page.press("Escape")
    assert shown(page) == everything(page)


def test_a_search_without_result_says_so_and_can_be_undone(page: Browser) -> None:
    page.click("#search")
    page.type("zebrafish")
    assert shown(page) == []
    assert page.evaluate("document.querySelector('#nothing').checkVisibility()")
    page.click("#all")
    page.wait(f"({SHOWN}).length > 0")
    assert shown(page) == everything(page)


def test_packed_numbers_are_not_searched(page: Browser) -> None:
    page.press("/")
    page.type(page.evaluate("JSON.parse(document.querySelector('#data-dln_loss').textContent).loss.data.slice(40, 43)"))
    assert shown(page) == []


def test_a_setting_can_be_searched_for(page: Browser) -> None:
    page.press("/")
    page.type("model.num_layers")
    assert "target_alignment_depth" in shown(page)
    assert "interference" not in shown(page)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_studies_and_verdicts_filter_together(page: Browser, by: str) -> None:
    def choose(name: str, value: str) -> None:
        selector = f"input[name={name}][value={value}]"
        if by == "mouse":
            page.click(selector)
        else:
            page.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
            page.press(" ")

    choose("study", "saxe")
    assert shown(page) == of(page, "study", "saxe")
    choose("study", "prospective")
    assert set(shown(page)) == {*of(page, "study", "saxe"), *of(page, "study", "prospective")}
    choose("verdict", "reproduced")
    reproduced = set(of(page, "verdicts", "reproduced"))
    assert set(shown(page)) == reproduced & {*of(page, "study", "saxe"), *of(page, "study", "prospective")}
    choose("study", "prospective")
    choose("verdict", "reproduced")
    choose("verdict", "none")
    assert set(shown(page)) == set(of(page, "verdicts", "none")) & set(of(page, "study", "saxe"))


def test_tab_reaches_search_then_every_filter_in_order(page: Browser) -> None:
    page.press("/")
    page.press("Tab")
    boxes = page.evaluate("[...document.querySelectorAll('#filters input[type=checkbox]')].map(b => b.value)")
    reached = [focused(page)]
    for _ in boxes[1:]:
        page.press("Tab")
        reached.append(focused(page))
    assert reached == boxes


def test_the_first_tab_stop_leads_past_the_filters(page: Browser) -> None:
    page.press("Tab")
    assert focused(page) == "skip"
    page.press("Enter")
    assert focused(page) == "figures"


# --- pictures -----------------------------------------------------------------------------------------------------


def test_a_picture_opens_in_full_size_and_the_keyboard_moves_on_and_back(page: Browser) -> None:
    ids = page.evaluate(
        "[...document.querySelectorAll('article.card')].filter(c => c.querySelector('.picture')).map(c => c.id)"
    )
    page.click(f"#{ids[0]} .picture")
    title = "document.querySelector('#full-title').textContent"
    first = page.evaluate(title)
    assert page.evaluate("document.querySelector('#full').open")
    page.evaluate("document.querySelector('#full .files a').focus()")
    page.press("ArrowRight")
    assert page.evaluate(title) != first
    assert page.evaluate("[...document.querySelectorAll('#full .files a')].map(a => a.textContent)") == [
        "pdf",
        "png",
        "csv",
    ]
    page.press("ArrowLeft")
    assert page.evaluate(title) == first
    page.press("Escape")
    assert not page.evaluate("document.querySelector('#full').open")
    assert page.evaluate(f"document.activeElement === document.querySelector('#{ids[0]} .picture')")


# --- explorers ----------------------------------------------------------------------------------------------------


def reading(page: Browser, figure: str) -> str:
    return page.evaluate(f"document.querySelector('[data-explorer={figure}] .line p').textContent")


def cursor(page: Browser, figure: str) -> float:
    return float(page.evaluate(f"document.querySelector('[data-explorer={figure}] .cursor').getAttribute('x1')"))


def fills(page: Browser, figure: str) -> list[str]:
    """Colours of the matrix or map."""
    return page.evaluate(
        f"[...document.querySelectorAll('[data-explorer={figure}] svg:first-child rect[fill]')]"
        ".map(r => r.getAttribute('fill'))"
    )


@pytest.mark.parametrize("figure", ["dln_rsm", "dln_loss"])
def test_the_epoch_slider_moves_by_keyboard_to_every_epoch_and_the_cursor_with_it(page: Browser, figure: str) -> None:
    slider = f"#{figure}-epoch"
    page.evaluate(f"document.querySelector('{slider}').focus()")
    page.press("Home")
    assert reading(page, figure).startswith("epoch 0,")
    start, colours = cursor(page, figure), fills(page, figure)
    page.press("ArrowRight", times=3)
    assert reading(page, figure).startswith("epoch 3,")
    assert cursor(page, figure) > start
    page.press("End")
    assert reading(page, figure).startswith("epoch 249,")
    assert fills(page, figure) != colours
    assert page.evaluate(f"document.querySelector('{slider}').getAttribute('aria-valuetext')") == "epoch 249"


@pytest.mark.parametrize("figure", ["dln_rsm", "dln_loss"])
def test_sliders_and_curves_answer_to_the_mouse(page: Browser, figure: str) -> None:
    page.click(f"#{figure}-epoch", across=0.02)
    early = cursor(page, figure)
    page.click(f"#{figure}-epoch", across=0.98)
    assert cursor(page, figure) > early + 300
    page.click(f"[data-explorer={figure}] .chart", across=0.3)
    chosen = int(reading(page, figure).split(",")[0].removeprefix("epoch "))
    assert abs(cursor(page, figure) - 0.3 * 520) < 3
    assert 50 < chosen < 70


@pytest.mark.parametrize("figure", ["dln_rsm", "dln_loss"])
def test_initial_scale_and_learning_rate_are_chosen_by_sliders(page: Browser, figure: str) -> None:
    seen = set()
    for name in ("gamma", "rate"):
        page.evaluate(f"document.querySelector('#{figure}-{name}').focus()")
        for key in ("Home", "End"):
            page.press(key)
            seen.add(reading(page, figure))
    assert len(seen) == 4


def test_a_run_is_chosen_in_the_map_of_the_grid(page: Browser) -> None:
    chart = "[data-explorer=dln_loss] .plots svg"
    page.click(chart, across=0.2, down=0.08)
    top = reading(page, "dln_loss")
    page.click(chart, across=0.9, down=0.8)
    bottom = reading(page, "dln_loss")
    gammas, rates = (
        page.evaluate(f"JSON.parse(document.querySelector('#data-dln_loss').textContent).{k}")
        for k in ("gamma", "rate")
    )
    assert f"γ = {gammas[-1]:g}" in top
    assert f"η = {rates[0]:g}" in top
    assert f"η = {rates[-1]:g}" in bottom
    assert "γ = 1e−1" in bottom


def test_play_moves_the_cursor_until_it_is_paused(page: Browser) -> None:
    page.evaluate("document.querySelector('#dln_rsm-epoch').focus()")
    page.press("Home")
    page.click("[data-explorer=dln_rsm] .line button")
    page.wait("document.querySelector('[data-explorer=dln_rsm] .line p').textContent.startsWith('epoch 5,')")
    page.click("[data-explorer=dln_rsm] .line button")
    assert page.evaluate("document.querySelector('[data-explorer=dln_rsm] .line button').textContent") == "Play"


# --- looks --------------------------------------------------------------------------------------------------------


def test_it_follows_the_reader_s_preference_until_the_reader_chooses(page: Browser) -> None:
    theme = "document.documentElement.dataset.theme"
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.prefer("dark")
    page.wait(f"{theme} === 'dark'")
    assert page.evaluate(background) != light
    page.click("#theme")
    assert page.evaluate(theme) == "light"
    assert page.evaluate("document.querySelector('#theme').getAttribute('aria-pressed')") == "false"
    page.evaluate("localStorage.clear()")


def test_print_shows_figures_and_claims_on_white_without_controls(page: Browser) -> None:
    page.prefer("dark", media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    visible = page.evaluate(
        "Object.fromEntries(['aside', '.explorer', '#theme', '.picture img', '.claim'].map("
        "s => [s, document.querySelector(s).checkVisibility()]))"
    )
    assert visible == {"aside": False, ".explorer": False, "#theme": False, ".picture img": True, ".claim": True}
