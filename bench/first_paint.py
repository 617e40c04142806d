"""First paint of the pages in Chromium, with many jobs in the record. Needs `make browser-test`.

Starts a Kinomill of its own, inserts finished jobs, and opens each page several times in a new
browser context, so that nothing is cached: the time from the navigation to the first contentful
paint, and the bytes that were transferred. Prints a report as JSON on stdout.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright
from sqlalchemy import text

from bench import seed_jobs
from bench.machine import machine
from cli.settings import CliSettings
from cli.stack import Stack, free_port
from kinomill import Client
from models.examples import FACE
from runtime.database import create_database_engine

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PATHS = ("/", "/jobs", "/jobs/{job}", "/models", "/workers", "/usage")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
OWN = text("UPDATE jobs SET account = :account, model = :model WHERE account = :seeded")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.first_paint", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="in the record (default 1,000)")
    parser.add_argument("--loads", type=int, default=10, help="of each page (default 10)")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="kinomill-paint-"))
    home.chmod(0o711)
    settings = CliSettings(database_url=None, redis_url=None, storage=None)
    try:
        with Stack(home, free_port(), settings, lambda _: None) as stack:
            print(json.dumps(report(stack, jobs=options.jobs, loads=options.loads), indent=2))
    finally:
        shutil.rmtree(home)


def report(stack: Stack, *, jobs: int, loads: int) -> dict[str, Any]:
    """The figures of all pages."""
    job = seeded(stack, jobs)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium-headless-shell")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        pages = {path: measured(browser, stack.url + path.format(job=job), loads) for path in PATHS}
        version = browser.version
        browser.close()
    return {"machine": machine(), "chromium": version, "jobs": jobs, "pages": pages}


def seeded(stack: Stack, jobs: int) -> str:
    """Insert finished jobs of the caller's account; returns one that ran."""
    with Client(stack.url) as client:
        job = client.wait(client.submit("preview-cutout", image=FACE))
    engine = create_database_engine(stack.database_url)
    with engine.begin() as connection:
        seed_jobs.seed(connection, waiting=0, running=0, succeeded=jobs)
        values = {"account": job.raw["account"], "model": job.model, "seeded": seed_jobs.ACCOUNT}
        connection.execute(OWN, values)
    engine.dispose()
    return job.id


def measured(browser: Browser, url: str, loads: int) -> dict[str, float]:
    """First contentful paint in ms, median and worst, and transferred bytes."""
    paints, sizes = [], []
    opened(browser, url)  # the first one imports the views
    for _ in range(loads):
        paint, size = opened(browser, url)
        paints.append(paint)
        sizes.append(size)
    print(url, [round(paint) for paint in paints], file=sys.stderr)
    worst = max(paints)
    return {"paint_ms": round(median(paints)), "worst_ms": round(worst), "bytes": max(sizes)}


def opened(browser: Browser, url: str) -> tuple[float, float]:
    """First contentful paint in ms, and transferred bytes, of one load without a cache."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    sent: list[float] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sent.append(event["encodedDataLength"]))
    page.goto(url)
    while (paint := page.evaluate(PAINT)) is None:
        page.wait_for_timeout(5)
    page.wait_for_timeout(300)
    page.context.close()
    return paint, sum(sent)


if __name__ == "__main__":
    main()
