"""The catalog: which models and manifests it finds, and in which order."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models import catalog
from models.catalog import UnknownModel
from models.errors import ModelErrorCode

PACKAGE = Path(catalog.__file__).parent
NEW_CARD = """
from dataclasses import replace
from pathlib import Path
from models.errors import ModelErrorCode
from models.preview_lipsync import card

CARD = replace(
    card.CARD,
    name="a-new.model",
    weights=Path(__file__).with_name("weights.toml"),
    converter="models.a_new_model.convert:convert",
    error_codes=(ModelErrorCode("no_unicorn", "There is no unicorn in the image."),),
)
"""
PRINT_CATALOG = """
from models import catalog
print(*catalog.CARDS)
print(*catalog.MANIFESTS)
print(*catalog.CONVERTERS)
print(*catalog.error_codes())
"""


def run(script, folder=None):
    """The lines that a script prints in a fresh interpreter that starts in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", catalog.CARDS)
def test_each_card_is_found_by_its_own_name_and_has_a_valid_example(name):
    card = catalog.get(name)

    stored = card.input.model_validate(card.example).model_dump_json()

    assert card.input.model_validate_json(stored).model_dump_json() == stored
    assert card.name == name
    assert card.input.media_fields()


def test_every_folder_with_a_card_is_a_model_and_every_weights_toml_a_manifest():
    with_card = {file.parent.name for file in PACKAGE.glob("*/card.py")}

    assert {card.queue.replace("-", "_").replace(".", "_") for card in catalog.CARDS.values()} == (
        with_card
    )
    assert set(catalog.MANIFESTS.values()) == set(PACKAGE.glob("*/weights.toml"))


def test_the_default_model_comes_first_then_the_models_of_its_task():
    names = list(catalog.CARDS)
    same_task = [card.task == "lip-sync" for card in catalog.CARDS.values()]

    assert names[0] == "preview-lipsync"
    assert same_task == sorted(same_task, reverse=True)


def test_a_new_folder_is_a_new_model_without_any_other_change(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "models" / "a_new_model"
    folder.mkdir()
    (folder / "card.py").write_text(NEW_CARD)
    (folder / "weights.toml").touch()

    cards, manifests, converters, codes = run(PRINT_CATALOG, tmp_path)

    assert cards.split()[:2] == ["preview-lipsync", "a-new.model"]
    assert manifests.split()[0] == "a-new.model"
    expected = ["a-new.model", "latentsync-1.5", "latentsync-1.6", "wav2lip", "inspyrenet"]
    assert converters.split() == expected
    assert "no_unicorn" in codes.split()


def test_the_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownModel, match="preview-lipsync"):
        catalog.get("wav3lip")


def test_an_operator_selects_cards_in_order():
    chosen = catalog.select_cards(["wav2lip", "preview-lipsync"])

    assert list(chosen) == ["wav2lip", "preview-lipsync"]


def test_an_operator_adds_a_card_by_its_dotted_path():
    chosen = catalog.select_cards(["models.preview_lipsync.card:CARD"])

    assert chosen == {"preview-lipsync": catalog.get("preview-lipsync")}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "no.such.module:CARD",
            "No module named 'no'; install it, or add its folder to PYTHONPATH",
        ),
        ("models.spec:Card", "models.spec has no Card named 'Card'"),
        ("models.spec:nothing", "models.spec has no Card named 'nothing'"),
        (":CARD", "ValueError: Empty module name"),
        (
            "tests.models.broken_card:CARD",
            "RuntimeError: no GPU; `python -c 'import tests.models.broken_card'` shows where",
        ),
    ],
)
def test_a_dotted_path_without_a_card_is_an_unknown_model(path, reason):
    with pytest.raises(UnknownModel, match=reason):
        catalog.select_cards([path])


def test_a_name_of_an_accepted_license_that_is_no_model_is_named():
    (sentence,) = catalog.unknown_licenses({"wave2lip", "wav2lip", "mine"}, own=["mine"])

    assert "KINOMILL_ACCEPT_LICENSES" in sentence
    assert "no model 'wave2lip'; did you mean 'wav2lip'?" in sentence


def test_two_meanings_of_one_error_code_are_refused():
    card = catalog.get("preview-lipsync")
    other = replace(card, error_codes=(ModelErrorCode("no_face", "Something else."),))

    with pytest.raises(ValueError, match="'no_face'"):
        catalog.error_codes([card, other])


def test_the_catalog_loads_no_media_library():
    script = (
        "import sys, models.catalog;"
        "print(sorted({'av', 'cv2', 'numpy', 'torch'} & set(sys.modules)))"
    )

    assert run(script) == ["[]"]


@pytest.mark.parametrize("name", ["inspyrenet", "inspyrenet-video"])
def test_a_license_names_training_sets_that_are_for_research_only(name):
    assert catalog.get(name).license.name == "MIT; several training sets for research only"


@pytest.mark.parametrize("version", ["1.5", "1.6"])
def test_the_license_of_each_latentsync_leads_to_its_text(version):
    url = catalog.get(f"latentsync-{version}").license.url

    assert url == "https://huggingface.co/stabilityai/stable-diffusion-2/blob/main/LICENSE-MODEL"


@pytest.mark.parametrize("name", ["multitalk", "infinitetalk"])
def test_a_talking_picture_in_bfloat16_needs_more_than_its_network(name):
    card = catalog.get(name)

    network = 2 * (16.4e9 + 2.49e9)
    assert network < card.memory_bytes < 80e9
    assert card.hardware.startswith("GPU 80 GB")
