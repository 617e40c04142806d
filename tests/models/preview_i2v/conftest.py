import pytest

from models.preview_i2v.card import CARD
from models.preview_i2v.runner import Runner
from tests.models.preview_i2v.media import PHOTO, nothing


@pytest.fixture
def generate(tmp_path):
    """Run the model on a photo; by default the video is small and short."""

    def run(*, report=nothing, out="out.mp4", image=PHOTO, last_image=None, **options):
        inputs = {"image": image} | ({"last_image": last_image} if last_image else {})
        defaults = {"prompt": "she smiles", "width": 160, "height": 192, "frames": 21, "seed": 7}
        values = defaults | dict.fromkeys(inputs, "file_1") | options
        params = CARD.input.model_validate({k: v for k, v in values.items() if v is not None})
        return Runner().generate(params, inputs, tmp_path / out, report)

    return run
