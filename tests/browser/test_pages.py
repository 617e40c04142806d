"""What holds for every page: colors, widths, accessibility, no JavaScript, no other host."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from kinomill import Client
from kinomill.errors import Conflict
from tests.browser.needed import NEEDED

expect = pytest.importorskip("playwright.sync_api", reason=NEEDED).expect

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATHS = ["/", "/?model=film", "/?from={job}", "/jobs", "/jobs?label=no:thing", "/jobs/{job}",
         "/jobs/{failed}", "/jobs/{job}/shares", "/shared/{shared}",
         "/compare", "/compare?a={job}&b={job}", "/models", "/workers", "/usage", "/batches",
         "/batches/{batch}", "/login", "/docs", "/docs/errors"]  # fmt: skip
WIDE = {"width": 3840, "height": 2160}
LONGEST_LINE = 52
"""Of a text, in em: about 100 characters."""
FIRST_PAINT_BYTES = 100_000
SWAGGER = {"nested-interactive", "landmark-main-is-top-level", "landmark-no-duplicate-main",
           "landmark-unique"}  # fmt: skip
"""What Swagger UI does: links within its buttons, and a second main part of the page."""


@pytest.fixture(scope="module")
def places(stack, film):
    """What the paths name: jobs in several states, a share and a batch."""
    with Client(stack.url) as client, httpx.Client(base_url=stack.url) as http:
        failed = client.submit("film", prompt="fail")
        shared = http.post(f"/v1/jobs/{film.id}/share").raise_for_status().json()["url"]
        rows = '{"model": "film", "input": {"prompt": "fail"}}\n' * 2
        headers = {"content-type": "application/jsonl"}
        batch = http.post("/v1/batches", content=rows, headers=headers).raise_for_status().json()
        return {
            "job": film.id,
            "failed": failed.id,
            "shared": shared.rsplit("/", 1)[1],
            "batch": batch["id"],
        }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing(open_page, places, path, scheme):
    page = open_page(path.format(**places), color_scheme=scheme, bypass_csp=True)
    if path == "/docs":
        page.locator(".opblock").first.wait_for(timeout=30_000)

    known = SWAGGER if path == "/docs" else set()

    assert [each for each in violations(page) if each[0] not in known] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_while_a_job_runs(open_page, client, scheme):
    job = client.submit("film", prompt="for a while", steps=300)
    found = {}
    for path in (f"/jobs/{job.id}", "/jobs", "/workers"):
        page = open_page(path, color_scheme=scheme, bypass_csp=True)
        page.locator(".chip.running, .now li").first.wait_for()
        found[path] = violations(page)
    client.cancel(job)

    assert not any(found.values()), found


def violations(page):
    """What axe finds wrong in a page with everything unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.add_script_tag(path=AXE)
    found = page.evaluate(f"axe.run({json.dumps({'runOnly': RULES})})")["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_wider_than_360_pixels(open_page, places, path):
    page = open_page(path.format(**places))
    page.set_viewport_size({"width": 360, "height": 780})

    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize(
    ("path", "row"), [("/usage", ".bar"), ("/?model=preview-talking", ".picker")]
)
def test_the_link_of_the_shown_page_is_in_view_on_a_phone(open_page, path, row):
    page = open_page("/")
    page.set_viewport_size({"width": 360, "height": 780})

    page.goto(path)

    expect(page.locator(f"{row} [aria-current]")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/docs"])
def test_no_line_of_text_is_overlong_at_4k(open_page, places, path):
    page = open_page(path.format(**places))
    page.set_viewport_size(WIDE)
    longest = page.evaluate(
        """() => [...document.querySelectorAll("main p, main li, main dd")]
          .filter((each) => each.childElementCount === 0 || each.matches("p"))
          .map((each) => {
            const range = document.createRange();
            range.selectNodeContents(each);
            const widths = [...range.getClientRects()].map((line) => line.width);
            return [Math.max(0, ...widths) / parseFloat(getComputedStyle(each).fontSize),
                    each.textContent.trim().slice(0, 60)];
          })
          .sort((one, other) => other[0] - one[0])[0] ?? [0, ""]"""
    )

    assert page.evaluate("document.documentElement.scrollWidth") == WIDE["width"]
    assert longest[0] <= LONGEST_LINE, longest


def test_nothing_moves_by_itself_where_less_motion_is_wanted(open_page, client):
    job = client.submit("film", prompt="still", steps=300)
    moving = {}
    for motion in ("no-preference", "reduce"):
        page = open_page(f"/jobs/{job.id}", reduced_motion=motion)
        expect(page.locator(".state")).to_contain_text("Running", timeout=30_000)
        moving[motion] = page.evaluate("document.getAnimations().length > 0")
    client.cancel(job)

    assert moving == {"no-preference": True, "reduce": False}


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/docs"])
def test_a_page_transfers_less_than_100_kilobytes_beside_its_media(open_page, places, path):
    page = open_page("about:blank")
    sent, media = {}, {}
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on(
        "Network.responseReceived",
        lambda event: media.update({event["requestId"]: event["type"] in {"Media", "Image"}}),
    )
    session.on(
        "Network.loadingFinished",
        lambda event: sent.update({event["requestId"]: event["encodedDataLength"]}),
    )
    page.goto(path.format(**places))
    page.wait_for_timeout(300)

    assert (
        1_000 < sum(size for each, size in sent.items() if not media.get(each)) < FIRST_PAINT_BYTES
    )


def test_dark_mode_is_dark(open_page):
    colors = {
        scheme: open_page("/", color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    }

    assert colors == {"light": "rgb(250, 248, 245)", "dark": "rgb(19, 17, 16)"}


def test_submit_poll_and_watch_without_javascript(open_page, media):
    page = open_page("/", java_script_enabled=False)
    page.locator("#f-image").set_input_files(media["image"])
    page.locator("#f-audio").set_input_files(media["audio"])
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")

    expect(page.locator("video")).to_be_visible(timeout=60_000)
    assert page.locator("video").get_attribute("src").endswith("/result")


def test_an_error_is_at_its_field_without_javascript(open_page):
    page = open_page("/?model=film", java_script_enabled=False)
    page.locator("#f-prompt").fill("waves")
    page.locator(".fold summary").first.click()
    page.locator("#f-steps").fill("999")
    page.get_by_role("button", name="Create video").click()

    expect(page.locator("#f-steps-error")).to_contain_text("400")
    expect(page.locator("#f-prompt")).to_have_value("waves")
    page.faults.clear()


def test_the_gallery_filters_and_links(open_page, film):
    page = open_page("/jobs?label=set:one")
    cards = page.locator(".card")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("waves at night")
    page.locator("select[name=status]").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".empty")).to_contain_text("No job fits")
    page.goto("/jobs?label=set:one")
    page.locator(".card .shot").click()

    expect(page.locator("h1")).to_have_text("waves at night")


def test_100_live_jobs_cost_one_stream(open_page, client):
    jobs = [client.submit("film", prompt=f"number {each}", steps=400) for each in range(100)]
    streams = []
    page = open_page("about:blank")
    page.on("request", lambda request: "/events" in request.url and streams.append(request.url))
    page.goto("/jobs")
    live = page.locator("[data-status=queued], [data-status=running]")
    expect(live).to_have_count(100)
    page.get_by_role("button", name="Cancel: number 50").click()
    card = page.locator(f"[data-job={jobs[50].id}]")
    expect(card).to_have_attribute("data-status", "canceled")
    for job in jobs[:50] + jobs[51:]:
        with suppress(Conflict):  # a slow machine has run the first ones
            client.cancel(job)
    expect(live).to_have_count(0, timeout=60_000)

    assert len(streams) == 1


def test_an_end_is_shown_that_comes_while_the_page_looks_at_the_job(open_page, client):
    job = client.submit("film", prompt="stopped", steps=400)
    page, looks = open_page("/jobs"), []
    card = page.locator(f"[data-job={job.id}]")
    expect(card).to_have_attribute("data-status", "running")
    page.evaluate(
        """() => { ended = new Promise((told) => {
             new EventSource("/v1/events").addEventListener("done", told) }).then(() => true) }"""
    )
    page.route("**/jobs/*?part=card", lambda route: looks.append((route, route.fetch())))

    page.get_by_role("button", name="Cancel: stopped").click()
    assert page.evaluate("ended")
    for route, seen in looks:
        route.fulfill(response=seen)
    page.unroute_all()

    expect(card).to_have_attribute("data-status", "canceled")


def test_the_keyboard_reaches_the_content_and_the_form(page):
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    expect(page.locator(".picker a").first).to_be_focused()


def test_the_documentation_is_drawn_from_own_files(open_page):
    page = open_page("/docs")

    expect(page.locator(".opblock").first).to_be_visible(timeout=30_000)


def test_nothing_moves_while_a_page_loads(open_page, film):
    for path in ("/", f"/jobs/{film.id}", "/jobs"):
        page = open_page(path)
        page.wait_for_load_state("networkidle")
        shift = page.evaluate(
            """() => new Promise((done) => {
              let sum = 0;
              new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) sum += entry.value;
              }).observe({ type: "layout-shift", buffered: true });
              setTimeout(() => done(sum), 300);
            })"""
        )
        assert shift < 0.02, path
