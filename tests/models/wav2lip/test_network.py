"""The generator gives the same numbers as the authors' code."""

from __future__ import annotations

import pytest
import torch

from models.wav2lip.network import Wav2Lip
from tests.models.golden import figures

FACTS = figures.read("wav2lip")["generator"]


@pytest.fixture(scope="module")
def network():
    network = Wav2Lip()
    network.load_state_dict(figures.filled(network.state_dict(), gain=FACTS["fill"]["gain"]))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def mel():
    return torch.from_numpy(figures.array(FACTS["input"]["audio"]))


@pytest.fixture(scope="module")
def face():
    face = figures.array(FACTS["input"]["face"])
    face[:, :3, 48:] = 0
    return torch.from_numpy(face)


def test_the_names_and_shapes_are_those_of_the_published_weights(network):
    state = network.state_dict()
    found = [
        [name, list(state[name].shape), str(state[name].dtype).removeprefix("torch.")]
        for name in sorted(state)
    ]

    assert found == FACTS["keys"]
    assert sum(p.numel() for p in network.parameters()) == FACTS["trainable_parameters"]


def test_the_formula_gives_the_recorded_weights(network):
    state = network.state_dict()

    for spot in FACTS["fill_spot_checks"]:
        values = state[spot["key"]].double()
        assert sorted(state).index(spot["key"]) == spot["key_index"]
        assert values.ravel()[:4].tolist() == pytest.approx(spot["first4"], abs=1e-6)
        assert values.sum().item() == pytest.approx(spot["sum"], rel=1e-5)


def test_the_audio_embedding_equals_the_authors_code(network, mel):
    figures.assert_like(network.audio_encoder(mel), FACTS["audio_embedding"], rtol=1e-4)


def test_each_block_of_the_face_encoder_equals_the_authors_code(network, face):
    activations = face
    for block, facts in zip(
        network.face_encoder_blocks, FACTS["face_encoder_block_outputs"], strict=True
    ):
        activations = block(activations)
        assert activations.double().mean().item() == pytest.approx(facts["mean"], rel=1e-4)
        assert activations.double().std(correction=0).item() == pytest.approx(
            facts["std"], rel=1e-4
        )


def test_the_output_equals_the_authors_code(network, mel, face):
    figures.assert_like(network(mel, face), FACTS["output"], atol=1e-5)


def test_a_face_does_not_depend_on_the_others_in_the_batch(network, mel, face):
    alone = network(mel[1:], face[1:])

    assert (network(mel, face)[1:] - alone).abs().max() < 1e-5
