"""Takes the pictures in docs/page: `python -m tests.browser.screenshots http://127.0.0.1:8000`.

The Kinomill at that URL has to be empty: it runs a few jobs of the models without weights.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from kinomill import Client, JobFailed
from tests.browser.conftest import CHROMIUM
from tests.conftest import EXAMPLES

FOLDER = Path(__file__).parents[2] / "docs" / "page"
FACE, VOICE = EXAMPLES / "face.jpg", EXAMPLES / "voice.wav"
PROMPT = "She smiles, turns her head to the left and looks back into the camera."
MODES = {
    "light": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 780}, "color_scheme": "light"},
}
QUALITY = 62


def main(url: str) -> None:
    """Run the jobs, then photograph six views in three modes."""
    FOLDER.mkdir(exist_ok=True)
    with Client(url) as client, sync_playwright() as playwright:
        done, failed = run_jobs(client)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for mode, options in MODES.items():
            page = browser.new_context(base_url=url, **options).new_page()
            running = client.submit(
                "preview-i2v", image=FACE, prompt=PROMPT, segments=8, frames=161, size="720p",
                quality="fast", steps=4, labels={"project": "spring"},
            )  # fmt: skip
            views = {
                "running": f"/jobs/{running.id}",
                "gallery": "/jobs",
                "workers": "/workers",
                "new": "/",
                "result": f"/jobs/{done.id}",
                "failed": f"/jobs/{failed.id}",
            }
            for name, path in views.items():
                page.goto(path)
                if name == "running":
                    page.locator("[data-preview] img").wait_for(timeout=60_000)
                if name == "result":
                    page.wait_for_timeout(800)
                    page.locator("video").evaluate("video => { video.currentTime = 1.5; }")
                page.wait_for_timeout(900)
                save(page.screenshot(), FOLDER / f"{name}-{mode}.webp")
            client.cancel(running.id)
        browser.close()


def run_jobs(client: Client):
    """A result to look at and a job that failed, among others."""
    with tempfile.TemporaryDirectory() as folder:
        blank = Path(folder) / "wall.jpg"
        cv2.imwrite(str(blank), np.full((240, 320, 3), 90, np.uint8))
        jobs = [
            client.submit("preview-cutout", image=FACE, labels={"project": "spring"}),
            client.submit("preview-i2v", image=FACE, prompt="A slow move towards the face."),
            client.submit("preview-lipsync", image=FACE, audio=VOICE, openness=1.6),
            client.submit("preview-lipsync", image=blank, audio=VOICE),
            client.submit("preview-i2v", image=FACE, prompt=PROMPT, labels={"project": "spring"}),
            client.submit("preview-lipsync", image=FACE, audio=VOICE, labels={"speaker": "Hopper"}),
        ]
        for job in jobs:
            with suppress(JobFailed):
                client.wait(job)
    return jobs[-1], jobs[3]


def save(png: bytes, path: Path) -> None:
    """Write a screenshot as a small WebP."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


if __name__ == "__main__":
    main(sys.argv[1])
