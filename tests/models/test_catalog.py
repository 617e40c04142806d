import subprocess
import sys

import pytest

from models import catalog
from models.catalog import UnknownModel


@pytest.mark.parametrize("name", catalog.CARDS)
def test_each_card_stands_under_its_own_name_with_a_valid_example(name):
    card = catalog.get(name)

    card.input.model_validate(card.example)

    assert card.name == name
    assert card.input.media_fields()


def test_an_unknown_name_says_which_are_known():
    with pytest.raises(UnknownModel, match="preview-lipsync"):
        catalog.get("wav3lip")


def test_an_operator_chooses_cards_in_order():
    chosen = catalog.select_cards(["preview-lipsync"])

    assert list(chosen) == ["preview-lipsync"]


def test_an_operator_adds_a_card_by_its_place():
    chosen = catalog.select_cards(["models.preview_lipsync.card:CARD"])

    assert chosen == {"preview-lipsync": catalog.get("preview-lipsync")}


@pytest.mark.parametrize(
    "place", ["no.such.module:CARD", "models.spec:Card", "models.spec:nothing"]
)
def test_a_place_without_a_card_is_unknown(place):
    with pytest.raises(UnknownModel):
        catalog.select_cards([place])


def test_the_catalog_loads_no_media_library():
    script = (
        "import sys, models.catalog;"
        "print(sorted({'av', 'cv2', 'numpy', 'torch'} & set(sys.modules)))"
    )

    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "[]"
