"""The form of a new job in a real browser."""

from __future__ import annotations

import json

import pytest

from tests.browser.needed import NEEDED
from tests.browser.waiting import holds, phases_seen, watch_phases

expect = pytest.importorskip("playwright.sync_api", reason=NEEDED).expect


def test_a_form_with_files_becomes_a_video_that_plays(page, media):
    page.locator("#f-image").set_input_files(media["image"])
    page.locator("#f-audio").set_input_files(media["audio"])
    expect(page.locator("[data-field=image] .shown img")).to_be_visible()
    expect(page.locator("[data-field=audio] .shown audio")).to_be_visible()
    page.get_by_role("button", name="Create video").click()

    page.wait_for_url("**/jobs/job_*")
    video = page.locator("video")
    expect(video).to_be_visible(timeout=60_000)
    holds(page, "document.querySelector('video').play().then(() => true, () => false)")
    holds(page, "document.querySelector('video').readyState >= 2")
    holds(page, "document.querySelector('video').currentTime > 0")

    job = page.request.get(f"/v1/jobs/{page.url.rsplit('/', 1)[1]}").json()
    assert video.evaluate("video => video.videoWidth") == job["result"]["width"] > 0


def test_phases_are_seen_in_their_order_with_previews_and_steps(page):
    page.goto("/?model=film")
    page.locator("#f-prompt").fill("waves")
    page.locator(".fold > summary").first.click()
    page.locator("#f-steps").fill("40")
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")
    watch_phases(page)

    expect(page.locator("[data-preview] img")).to_be_visible(timeout=30_000)
    expect(page.locator("[data-step]")).to_contain_text("of 40")
    expect(page.locator("video")).to_be_visible(timeout=60_000)

    seen = phases_seen(page)
    assert seen == sorted(seen, key=["queued", "starting", "loading_model", "fetching_inputs",
                                     "preprocessing", "generating", "encoding",
                                     "uploading"].index)  # fmt: skip
    assert "generating" in seen


def test_an_error_of_the_api_is_shown_at_its_field(page):
    page.goto("/?model=film")
    page.locator("#f-prompt").fill("waves")
    page.locator(".fold > summary").first.click()
    page.locator("#f-steps").fill("999")
    page.get_by_role("button", name="Create video").click()

    expect(page.locator("[data-problem]")).to_be_focused()
    note = page.locator("#f-steps-error")
    expect(note).to_be_visible()
    expect(note).to_contain_text("400")
    expect(page.locator("#f-steps")).to_have_attribute("aria-invalid", "true")
    page.faults.clear()  # the browser logs the 422


def test_a_file_of_another_kind_is_refused_at_its_field(page):
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    page.locator("#f-image").set_input_files(text)

    expect(page.locator("#f-image-error")).to_contain_text("notes.txt is no picture")
    assert page.locator("#f-image").evaluate("input => input.files.length") == 0


def test_a_broken_picture_is_refused_at_its_field(page, media):
    broken = {"name": "face.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff no picture"}
    page.locator("#f-image").set_input_files(broken)
    page.locator("#f-audio").set_input_files(media["audio"])
    page.get_by_role("button", name="Create video").click()

    expect(page.locator("#f-image-error")).to_be_visible()
    expect(page.locator("[data-errors] a")).to_have_text("Picture")
    page.faults.clear()  # the browser logs the 422, and that the picture cannot be shown


def test_rows_boxes_and_the_seed_are_sent_as_the_schema_wants_them(page, media):
    page.goto("/?model=film")
    page.locator("#f-image").set_input_files(media["image"])
    page.locator("#f-prompt").fill("waves")
    page.locator("[data-field=parts] .add-place button").click()
    page.locator("[data-part=id]").fill("grain")
    page.locator("[data-part=strength]").fill("0.5")
    page.locator(".fold > summary").first.click()
    drag(page, page.locator("[data-field=box] .canvas"), (0.1, 0.1), (0.6, 0.5))
    page.get_by_role("button", name="Roll").click()
    seed = int(page.locator("#f-seed").input_value())
    box = boxes(page.locator("[data-field=box]"))
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")

    sent = page.request.get(f"/v1/jobs/{page.url.rsplit('/', 1)[1]}").json()["input"]
    assert sent["parts"] == [{"id": "grain", "strength": 0.5}]
    assert sent["box"] == box
    assert 0 <= box["left"] < box["right"]
    assert 0 <= box["top"] < box["bottom"]
    assert sent["seed"] == seed


def test_boxes_are_drawn_moved_and_resized_with_the_pointer(page, media):
    page.goto("/?model=film")
    page.locator("#f-image").set_input_files(media["image"])
    page.locator(".fold > summary").first.click()
    field = page.locator("[data-field=people]")
    field.locator("select").select_option(label="Boxes on the picture")
    area = field.locator(".canvas")
    drag(page, area, (0.1, 0.1), (0.3, 0.4))
    drag(page, area, (0.6, 0.1), (0.8, 0.4))
    expect(field.locator(".box-row")).to_have_count(2)
    first, second = boxes(field)
    assert first["right"] <= second["left"]
    drag(page, area, (0.7, 0.2), (0.7, 0.4))
    moved = boxes(field)[1]
    assert moved["top"] > second["top"]
    assert moved["right"] - moved["left"] == second["right"] - second["left"]
    drag(page, area, (0.1, 0.1), (0.05, 0.05))
    assert boxes(field)[0]["left"] < first["left"]
    field.get_by_role("button", name="Remove").first.click()

    assert boxes(field) == [moved]


def test_a_box_is_drawn_with_the_keyboard_alone(page, media):
    page.goto("/?model=film")
    page.locator("#f-image").set_input_files(media["image"])
    page.locator("#f-prompt").fill("waves")
    page.locator(".fold > summary").first.click()
    field = page.locator("[data-field=face]")
    field.locator("select").select_option(label="A box on the picture")
    field.locator(".canvas").focus()
    page.keyboard.press("ArrowRight")
    begin = boxes(field)
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight"):
        page.keyboard.press(key)
    moved = boxes(field)
    assert moved["left"] > begin["left"]
    assert moved["top"] > begin["top"]
    assert moved["right"] - moved["left"] > begin["right"] - begin["left"]
    page.keyboard.press("Delete")
    assert field.locator("textarea").input_value() == ""
    field.get_by_role("button", name="Add a box").press("Enter")
    page.keyboard.type("5")
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")

    sent = page.request.get(f"/v1/jobs/{page.url.rsplit('/', 1)[1]}").json()["input"]
    assert sent["face"]["left"] == 5


def test_a_face_is_chosen_by_name_or_number_and_a_group_sends_what_was_changed(page):
    page.goto("/?model=film")
    page.locator(".fold > summary").first.click()
    face = page.locator("[data-field=face]")
    face.locator("select").select_option("central")
    assert face.locator("textarea").input_value() == "central"
    face.locator("select").select_option(label="A number")
    face.get_by_label("A number").fill("2")
    page.locator("[data-field=margins] [data-part=left]").fill("3")

    assert face.locator("textarea").input_value() == "2"
    margins = page.locator("[data-field=margins] > textarea").input_value()
    assert json.loads(margins) == {"left": 3}


def drag(page, element, begin, end):
    """Drag the pointer over an element, between two points in parts of its sides."""
    element.scroll_into_view_if_needed()
    area = element.bounding_box()
    points = [
        (area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in (begin, end)
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()


def boxes(field):
    return json.loads(field.locator("textarea").input_value())


def test_the_example_runs_with_one_click(page):
    page.get_by_role("button", name="Run the example").click()

    page.wait_for_url("**/jobs/job_*")
    expect(page.locator("video")).to_be_visible(timeout=60_000)


def test_the_microphone_records_a_voice_and_the_camera_a_photo(page):
    page.locator("[data-field=audio] .below button").click()
    page.wait_for_timeout(700)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-field=audio] .shown audio")).to_be_visible()
    page.locator("[data-field=image] .below button").click()
    holds(page, "document.querySelector('[data-field=image] video')?.videoWidth > 0")
    page.get_by_role("button", name="Take the picture").click()

    expect(page.locator("[data-field=image] .shown img")).to_be_visible()


def test_a_recorded_voice_becomes_a_video(page, media):
    page.locator("#f-image").set_input_files(media["image"])
    page.locator("[data-field=audio] .below button").click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-field=audio] .shown audio")).to_be_visible()
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")

    expect(page.locator("video")).to_be_visible(timeout=60_000)


def test_a_clip_and_a_photo_of_the_camera_are_accepted(page):
    page.goto("/?model=film")
    page.locator("#f-prompt").fill("waves")
    page.locator("[data-field=video] .below button").click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-field=video] .shown video")).to_be_visible()
    page.locator("[data-field=image] .below button").click()
    holds(page, "document.querySelector('[data-field=image] video')?.videoWidth > 0")
    page.get_by_role("button", name="Take the picture").click()
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/jobs/job_*")

    expect(page.locator(".state")).to_contain_text("Succeeded", timeout=60_000)


def test_the_same_job_as_code_follows_the_form(page):
    page.goto("/?model=film")
    page.locator("#f-prompt").fill("it's late")
    snippet = page.locator("[data-code] pre")

    expect(snippet).to_contain_text("-F model=film")
    expect(snippet).to_contain_text(r"-F prompt='it'\''s late'")
    page.get_by_role("tab", name="Python").click()
    expect(snippet).to_contain_text('client.submit(\n        "film"')
    page.get_by_role("tab", name="OpenAI").click()
    expect(snippet).to_contain_text("client.videos.create_and_poll")
    page.get_by_role("tab", name="CLI").click()
    expect(snippet).to_contain_text("kinomill submit film")


def test_a_lost_connection_is_told_and_the_form_stays(page):
    page.goto("/?model=film")
    page.locator("#f-prompt").fill("waves")
    page.route("**/v1/jobs", lambda route: route.abort())
    page.get_by_role("button", name="Create video").click()

    expect(page.locator("[data-detail]")).to_contain_text("cannot be reached")
    expect(page.locator("#f-prompt")).to_have_value("waves")
    page.faults.clear()
