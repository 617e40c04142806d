"""The network gives the same numbers as the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.inspyrenet import preprocess
from models.inspyrenet.composite import compose
from models.inspyrenet.layers import pyramid
from models.inspyrenet.network import InSPyReNet
from tests.models.golden import figures
from tests.models.golden.figures import assert_like
from tests.models.inspyrenet import formula, recorded
from tests.models.inspyrenet.formula import FACTS


@pytest.fixture(scope="module")
def network():
    return formula.network()


def test_the_names_and_shapes_are_those_of_the_published_weights(network):
    state = network.state_dict()
    found = [
        [name, list(state[name].shape), str(state[name].dtype).removeprefix("torch.")]
        for name in sorted(state)
    ]

    assert found == FACTS["keys"]
    assert len(found) == FACTS["network"]["entries"] == 1625
    assert sum(p.numel() for p in network.parameters()) == FACTS["network"]["parameters"]
    assert sum(b.numel() for b in network.buffers()) == FACTS["network"]["buffer_values"]


def test_the_formula_gives_the_recorded_weights(network):
    state = network.state_dict()

    for name, spot in FACTS["fill_spot_checks"].items():
        values = state[name].double()
        assert sorted(state).index(name) == spot["k"]
        assert values.ravel()[:4].tolist() == pytest.approx(spot["first"], rel=1e-6)
        assert values.sum().item() == pytest.approx(spot["sum"], rel=1e-5)


def test_the_formula_gives_the_recorded_input():
    x = formula.smooth(FACTS["input"]["shape"], FACTS["input"]["key_index"])

    assert_like(x, FACTS["input"]["check"], atol=1e-6)


def test_the_position_index_is_exact(network):
    facts = FACTS["relative_position_index"]
    index = network.backbone.layers[2].blocks[5].attn.relative_position_index

    assert index.sum() == facts["sum"]
    for row, values in facts["rows"].items():
        assert index[int(row)][: len(values)].tolist() == values


def test_every_block_equals_the_authors_code(network):
    recorded.assert_recorded(recorded.run(network))


def test_folded_batch_norms_change_nothing():
    network = InSPyReNet(formula.BASE_SIZE)
    network.load_state_dict(formula.network().state_dict())
    network.eval().requires_grad_(False).fold()

    found = recorded.run(network)

    for sample, facts in FACTS["pred_single"].items():
        assert_like(found["pred"][int(sample) :][:1], facts, atol=1e-5)
    assert not any("bn." in name for name in network.state_dict())


def test_each_sample_of_a_batch_is_stretched_on_its_own(network):
    x = formula.smooth((2, 3, 64, 64), 1)
    x[1] *= 0.1

    with torch.inference_mode():
        both, alone = network(x), network(x[1:])

    assert both[1:].numpy() == pytest.approx(alone.numpy(), abs=1e-5)
    assert both.amin(dim=(1, 2, 3)).tolist() == [0, 0]
    assert both.amax(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize("size", [(33, 64), (64, 48), (0, 64)])
def test_sides_that_are_no_multiples_of_32_are_refused(network, size):
    with pytest.raises(ValueError, match="multiples of 32"):
        network.logits(torch.zeros(1, 3, *size))


def test_the_pyramid_equals_the_authors_code():
    facts = FACTS["pyramid"]
    x = torch.from_numpy(figures.array(facts["input"]))

    assert pyramid.kernel()[0].tolist() == pytest.approx(facts["kernel_first_row"], abs=1e-8)
    assert pyramid.kernel()[3].tolist() == pytest.approx(facts["kernel_middle_row"], abs=1e-8)
    assert_like(pyramid.expand(x), facts["expand"], rtol=recorded.INNER)
    assert_like(pyramid.reduce(x), facts["reduce"], rtol=recorded.INNER)


def test_from_a_picture_to_its_map_equals_the_authors_code():
    facts = FACTS["end_to_end"]
    base_size = tuple(facts["base_size"])
    picture = formula.frame(120, 150, facts["frame_key_index"])

    with torch.inference_mode():
        x = preprocess.prepare(picture, resize="static", base_size=base_size)
        saliency = formula.network(base_size)(x)
    found = compose(picture, saliency.numpy(), output="map", upstream=True)

    assert np.array_equal(found[..., 0], found[..., 2])
    formula.assert_map(found[..., 0], facts["map"])
