"""The runner makes of one picture the file that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from models.errors import InputRejected, OutputInvalid, WeightsInvalid
from models.inspyrenet import saliency
from models.inspyrenet.card import CARD
from models.inspyrenet.loading import Models
from models.inspyrenet.runner import Runner
from models.spec import Stage
from tests.models.inspyrenet import formula


@pytest.fixture(scope="module")
def runner(weights):
    made = Runner(weights)
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(formula.frame(90, 120, 5005))


@pytest.fixture
def generate(runner, picture, tmp_path):
    def run(image=picture, **fields):
        image.save(tmp_path / "in.png")
        picture.save(tmp_path / "background.jpg")
        inputs = {"image": tmp_path / "in.png"}
        if "background" in fields:
            inputs["background"] = tmp_path / "background.jpg"
        params = CARD.input.model_validate({"image": "file_in", **fields})
        return runner.generate(params, inputs, tmp_path / "video.mp4", reports.append)

    reports = Reports()
    run.reports = reports
    return run


class Reports(list):
    """Collects reports: call it as a runner does."""

    def append(self, stage, done=0, total=None, *, preview=None, notes=None, part=None):
        super().append((stage, done, preview and preview(), notes))


def opened(result):
    with Image.open(result.path) as image:
        image.load()
        return image


def test_the_background_becomes_transparent(generate, picture):
    result = generate(refine_foreground=False)

    found = opened(result)
    assert (result.file_type.content_type, result.path.suffix) == ("image/png", ".png")
    assert (result.width, result.height, found.size, found.mode) == (120, 90, (120, 90), "RGBA")
    assert (result.fps, result.frames, result.has_audio) == (None, None, None)
    assert found.getchannel("A").getextrema() == pytest.approx((0, 255), abs=16)
    assert np.array_equal(np.asarray(found)[..., :3], np.asarray(picture))


@pytest.mark.parametrize(
    ("fields", "kind", "mode"),
    [
        ({"format": "webp"}, "WEBP", "RGBA"),
        ({"format": "jpeg", "output": "color", "color": "#00ff00"}, "JPEG", "RGB"),
        ({"output": "map"}, "PNG", "RGB"),
        ({"output": "blur"}, "PNG", "RGB"),
        ({"output": "overlay"}, "PNG", "RGB"),
        ({"output": "image", "background": "file_b"}, "PNG", "RGB"),
        ({"resize": "dynamic"}, "PNG", "RGBA"),
    ],
)
def test_each_output_and_format(generate, fields, kind, mode):
    found = opened(generate(**fields))

    assert (found.format, found.mode, found.size) == (kind, mode, (120, 90))


@pytest.mark.parametrize("size", [(1, 1), (5000, 30)])
@pytest.mark.parametrize("resize", ["static", "dynamic"])
def test_pictures_of_extreme_sizes(generate, size, resize):
    result = generate(Image.new("RGB", size, "gray"), resize=resize)

    assert opened(result).size == size


def test_the_result_says_how_sure_the_network_was_and_on_what_it_ran(generate):
    notes = generate(resize="dynamic").notes

    assert notes["mode"] == "fast"
    assert notes["input_size"] == [96, 128]
    assert 0 < notes["confidence"] < 1
    assert notes["foreground_found"] == (notes["confidence"] >= 0.5)
    assert 0 < notes["foreground_share"] < 1
    assert len(notes["weights_sha256"]) == 64
    assert notes["runs_on"] == "cpu float32"


def test_each_stage_and_a_preview_are_reported(generate):
    generate()

    stages = [stage for stage, *_ in generate.reports]
    assert list(dict.fromkeys(stages)) == [Stage.PREPROCESSING, Stage.GENERATING, Stage.ENCODING]
    assert any(preview and preview[:2] == b"\xff\xd8" for _, _, preview, _ in generate.reports)


def test_auto_is_fast_for_small_pictures_only(runner, weights):
    small, large = np.zeros((511, 300, 3), np.uint8), np.zeros((512, 300, 3), np.uint8)

    assert [runner._models.select("auto", each) for each in (small, large)] == ["fast", "base"]


def test_a_mode_without_weights_is_refused(weights, tmp_path):
    (tmp_path / "ckpt_base.safetensors").symlink_to(weights / "ckpt_base.safetensors")
    models = Models(tmp_path)
    small = np.zeros((9, 9, 3), np.uint8)

    assert models.select("auto", small) == "base"
    with pytest.raises(InputRejected) as caught:
        models.select("fast", small)
    assert (caught.value.code, caught.value.field) == ("mode_unavailable", "mode")


def test_a_folder_without_weights_says_which_files_it_needs(tmp_path):
    with pytest.raises(WeightsInvalid, match=r"none of ckpt_base\.safetensors, ckpt_base\.pth"):
        Models(tmp_path)


def test_dynamic_falls_back_to_the_base_size_when_memory_is_short(runner, picture, monkeypatch):
    model = runner._models["base"]
    exact = model._logits

    def logits(x):
        if x.shape[-2:] != torch.Size(model.base_size):
            raise torch.OutOfMemoryError
        return exact(x)

    monkeypatch.setattr(model, "_logits", logits)

    assert saliency.find(model, np.asarray(picture), "dynamic").size == model.base_size


def test_after_out_of_memory_the_batch_is_halved(runner, picture, monkeypatch):
    model = runner._models["base"]
    exact, batches = model._logits, []

    def logits(x):
        batches.append(len(x))
        if len(x) > 1:
            raise torch.OutOfMemoryError
        return exact(x)

    monkeypatch.setattr(model, "_logits", logits)
    monkeypatch.setattr(model._batches, "batch_size", 4)

    found = model.logits([np.asarray(picture)] * 3, model.base_size)

    assert batches == [3, 1, 1, 1]
    assert np.array_equal(found[0], found[2])


def test_nan_fails_instead_of_becoming_a_black_picture(runner, picture, monkeypatch):
    model = runner._models["base"]
    nan = (torch.full((1, 1, 128, 128), torch.nan),)
    monkeypatch.setattr(model, "_logits", lambda x: nan)

    with pytest.raises(OutputInvalid):
        saliency.find(model, np.asarray(picture), "static")


def test_an_operator_can_have_the_network_compiled(weights, monkeypatch):
    compiled = []
    monkeypatch.setenv("KINOMILL_MATTING_COMPILE", "1")
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)

    Models(weights)

    assert [function.__name__ for function in compiled] == ["logits", "logits"]
