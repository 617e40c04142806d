"""The package `kokoro` itself, its GPL-3 companions with it, on files of random weights.

These run only where the extra `speech` is installed.
"""

from __future__ import annotations

import json
import socket
import zipfile

import numpy as np
import pytest
import torch

pytest.importorskip("kokoro", reason="needs the extra `speech`: see docs/speech.md")

from models.errors import WeightsInvalid
from models.kokoro import network
from models.kokoro.g2p import GraphemeToPhoneme
from models.kokoro.synthesizer import Synthesizer
from models.kokoro.tts import SpeechSynthesis
from models.video import sound
from tests.models.kokoro.published import CONFIG, SIGNS, random_parts, write_published

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # spaCy and phonemizer use what is deprecated
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return random_parts(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory, parts):
    names = ("af_heart", "bf_emma", "ef_dora", "ff_siwis", "hf_alpha", "if_sara", "pf_dora")
    return write_published(tmp_path_factory.mktemp("weights"), parts, *names)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refused(*_):
        raise AssertionError("the network was asked for something")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A folder with a wheel laid out as spaCy's, its tagger trained on one sentence."""
    import spacy
    from spacy.training import Example

    model = spacy.blank("en")
    model.add_pipe("tok2vec")
    model.add_pipe("tagger").add_label("NN")
    marked = {"words": ["Hello", "world", "."], "tags": ["NN", "NN", "."]}
    example = Example.from_dict(model.make_doc("Hello world."), marked)
    training = model.initialize(lambda: [example])
    for _ in range(30):
        model.update([example], sgd=training)
    made = tmp_path_factory.mktemp("model")
    model.to_disk(made)
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(folder / "en_core_web_sm-3.8.0-py3-none-any.whl", "w") as archive:
        archive.writestr("en_core_web_sm/__init__.py", "raise SystemExit('nobody imports this')")
        for path in sorted(made.rglob("*")):
            inside = path.relative_to(made)
            archive.write(path, f"en_core_web_sm/en_core_web_sm-3.8.0/{inside}")
    return folder


@pytest.fixture(scope="module")
def synthesizer(weights):
    return Synthesizer.load(weights)


def test_the_same_text_gives_the_same_samples(synthesizer):
    chunks = synthesizer.phoneme_chunks("Hi.", "af_heart")

    (first,) = synthesizer.synthesize(chunks, "af_heart")
    (again,) = synthesizer.synthesize(chunks, "af_heart")

    assert np.isfinite(first).all()
    assert len(first) >= 600
    assert len(first) % 600 == 0
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("af_heart", "Hello there, how are you?"),
        ("bf_emma", "Hello there, how are you?"),
        ("ef_dora", "Buenos días, ¿cómo está?"),
        ("ff_siwis", "Bonjour, comment allez-vous ?"),
        ("hf_alpha", "नमस्ते दुनिया।"),
        ("if_sara", "Buongiorno, come sta?"),
        ("pf_dora", "Bom dia, como está?"),
    ],
    ids=["us", "gb", "es", "fr", "hi", "it", "pt"],
)
def test_every_language_is_phonemized_offline(synthesizer, voice, text):
    (passage,) = synthesizer.phoneme_chunks(text, voice)

    assert len(passage) >= len(text) / 2
    assert "ˈ" in passage


def test_five_thousand_characters_fit_in_chunks(synthesizer):
    text = ("A sentence that goes on, and on; and on. " * 122)[:5000]

    chunks = synthesizer.phoneme_chunks(text, "af_heart")

    assert max(map(len, chunks)) <= 510
    assert len(chunks) > 10


def test_a_worker_writes_a_voice_that_can_be_encoded_in_a_video(weights, tmp_path):
    speech = SpeechSynthesis(weights)
    speech.warm_up()

    spoken = speech.synthesize("Hi.", "ef_dora", tmp_path, lambda *_: None)

    seconds = float(sound.duration(spoken.path))
    assert spoken.notes["pronunciation"] == "espeak"
    assert seconds == spoken.notes["voice_seconds"] > 0


def test_english_is_phonemized_with_the_model_of_the_wheel(wheel):
    words = GraphemeToPhoneme(wheel)

    assert words.source("a") == words.source("b") == "misaki"
    assert words.source("e") == "espeak"
    assert words.phonemizer("a")("Hello world.") == "həlˈO wˈɜɹld."
    assert words.phonemizer("b")("Hello world.") == "həlˈQ wˈɜːld."
    assert "mɪl" in words.phonemizer("a")("Kinomill.")


def test_english_without_the_wheel_is_phonemized_by_espeak(weights):
    words = GraphemeToPhoneme(weights)

    assert words.source("a") == "espeak"
    assert words.phonemizer("a")("Hello world.") == "həlˈO wˈɜɹld."


def test_the_error_for_a_broken_wheel_names_it(tmp_path):
    (tmp_path / "en_core_web_sm-3.8.0-py3-none-any.whl").write_bytes(b"not a wheel")

    with pytest.raises(WeightsInvalid, match=r"\.whl is not a model of spaCy"):
        GraphemeToPhoneme(tmp_path)


def test_a_checkpoint_that_lacks_a_tensor_is_refused(weights, parts, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    short = {**parts, "bert_encoder": {"module.weight": parts["bert_encoder"]["module.weight"]}}
    torch.save(short, tmp_path / "kokoro-v1_0.pth")

    with pytest.raises(WeightsInvalid, match=r"missing: bert_encoder\.bias"):
        network.load(tmp_path, torch.device("cpu"))


def test_a_checkpoint_of_another_shape_is_refused(weights, parts, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    torch.save({**parts, "bert_encoder": {"bias": torch.zeros(3)}}, tmp_path / "kokoro-v1_0.pth")

    with pytest.raises(WeightsInvalid, match=r"missing: bert_encoder\.weight"):
        network.load(tmp_path, torch.device("cpu"))
    other = {"weight": torch.zeros(2, 2), "bias": torch.zeros(512)}
    torch.save({**parts, "bert_encoder": other}, tmp_path / "kokoro-v1_0.pth")
    with pytest.raises(WeightsInvalid, match=r"of another shape: bert_encoder\.weight"):
        network.load(tmp_path, torch.device("cpu"))


def test_the_weights_of_the_file_are_loaded(weights, parts):
    loaded = network.load(weights, torch.device("cpu"))

    assert torch.equal(loaded.bert_encoder.weight, parts["bert_encoder"]["module.weight"])
    assert sorted(loaded.vocab) == sorted(SIGNS)


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"vocab": {}, "n_token": "x"}'])
def test_the_error_for_a_broken_config_names_it(weights, tmp_path, text):
    (tmp_path / "config.json").write_text(text)

    with pytest.raises(WeightsInvalid, match=r"config\.json is no configuration of Kokoro"):
        network.load(tmp_path, torch.device("cpu"))
