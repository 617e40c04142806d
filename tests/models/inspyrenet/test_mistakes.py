"""Mistakes that are easy to make in this network: the figures find each of them."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.inspyrenet import network as networks
from models.inspyrenet.layers import attention, context, convolution, pyramid, swin
from tests.models.golden.figures import assert_like
from tests.models.inspyrenet import formula
from tests.models.inspyrenet.formula import FACTS

STAGES = ("attention2", "attention1", "attention0")


@pytest.fixture
def network():
    """A copy that shares the weights, so that a mistake in its modules ends with the test."""
    original = formula.network()
    shared = {id(tensor): tensor for tensor in original.state_dict(keep_vars=True).values()}
    return copy.deepcopy(original, shared)


@pytest.fixture(scope="module")
def x():
    return formula.smooth(FACTS["input"]["shape"], FACTS["input"]["key_index"])


def tanh_gelu(patch, network):
    patch(functional, "gelu", partial(functional.gelu, approximate="tanh"))


def infinite_mask(patch, network):
    patch(swin, "MASKED", -torch.inf)


def no_mask(patch, network):
    patch(swin, "MASKED", 0.0)


def shift_to_the_other_side(patch, network):
    for stage in network.backbone.layers:
        for block in stage.blocks:
            block.shift = -block.shift


def no_shift(patch, network):
    for stage in network.backbone.layers:
        for block in stage.blocks:
            block.shift = 0


def padding_before_the_norm(patch, network):
    def forward(self, x, mask):
        height, width = x.shape[1:3]
        attended = self._attend(self.norm1(swin.pad_to_windows(x)), mask)
        x = x + attended[:, :height, :width]
        return x + self.mlp(self.norm2(x))

    patch(swin.Block, "forward", forward)


def key_before_query(patch, network):
    exact = functional.scaled_dot_product_attention
    patch(
        functional,
        "scaled_dot_product_attention",
        lambda query, key, value, attn_mask: exact(key, query, value, attn_mask=attn_mask),
    )


def transposed_position_index(patch, network):
    for module in network.modules():
        if isinstance(module, swin.WindowAttention):
            module.relative_position_index = module.relative_position_index.T


def neighbors_row_by_row(patch, network):
    def neighbors(x):
        return torch.cat([x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)], dim=-1)

    patch(swin, "neighbors", neighbors)


def no_output_norms(patch, network):
    for stage in range(4):
        setattr(network.backbone, f"norm{stage}", nn.Identity())


def norms_also_between_the_stages(patch, network):
    for stage, layer in enumerate(network.backbone.layers):
        norm = getattr(network.backbone, f"norm{stage}")
        setattr(network.backbone, f"norm{stage}", nn.Identity())
        layer.blocks.append(_Normed(norm))


class _Normed(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x, mask):
        return self.norm(x)


def no_norm_of_the_patches(patch, network):
    network.backbone.patch_embed.norm = nn.Identity()


def attention_over_rows(patch, network):
    exact = convolution.AxisAttention.forward

    def forward(self, x):
        if self.axis == context.COLUMNS:
            return exact(self, x)
        columns = copy.copy(self)
        columns.axis = context.COLUMNS
        return exact(columns, x.transpose(2, 3).contiguous()).transpose(2, 3)

    patch(convolution.AxisAttention, "forward", forward)


def scaled_axis_attention(patch, network):
    exact = convolution.attention_weights
    patch(convolution, "attention_weights", lambda query, key: exact(query * 8**-0.5, key))


def no_dilation(patch, network):
    for name, module in network.named_modules():
        if name.endswith("conv3.conv"):
            module.dilation = module.padding = (1, 1)


def batch_norm_of_another_epsilon(patch, network):
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3


def finest_context_first(patch, network):
    patch(context, "reversed", list)


def centers_of_corners_not_aligned(patch, network):
    patch(context, "resize", lambda x, size, corners=False: convolution.resize(x, size))


def centers_of_corners_aligned(patch, network):
    for module in (attention, networks):
        patch(module, "resize", partial(convolution.resize, corners=True))


def size_of_the_picture(patch, network):
    for stage, name in enumerate(reversed(STAGES)):
        network.get_submodule(name).size = 96 >> stage, 128 >> stage


def permuted_context(patch, network):
    def context_sums(x, maps, size):
        features = attention.resize(x, size).flatten(2)
        return (features @ attention.resize(maps, size).flatten(2).transpose(1, 2)).unsqueeze(-1)

    patch(attention, "context_sums", context_sums)


def mean_of_the_context(patch, network):
    exact = attention.context_sums
    patch(attention, "context_sums", lambda x, maps, size: exact(x, maps, size) / size[0] / size[1])


def no_relu_of_keys_and_values(patch, network):
    for name in STAGES:
        stage = network.get_submodule(name)
        for module in (*stage.conv_key, *stage.conv_value):
            module.relu = False


def one_threshold_for_both(patch, network):
    for name in STAGES[1:]:
        stage = network.get_submodule(name)
        stage.lthreshold = stage.threshold


def zero_padding_of_the_pyramid(patch, network):
    exact = functional.pad
    patch(functional, "pad", lambda x, sides, mode="constant": exact(x, sides))


def expanding_without_the_factor_of_4(patch, network):
    exact = pyramid.kernel
    patch(pyramid, "kernel", lambda: exact() / 4)


def stretched_over_the_batch(patch, network):
    patch(
        networks,
        "stretched",
        lambda values: (values - values.min()) / (values.max() - values.min() + 1e-8),
    )


MISTAKES = (
    tanh_gelu,
    infinite_mask,
    no_mask,
    shift_to_the_other_side,
    no_shift,
    padding_before_the_norm,
    key_before_query,
    transposed_position_index,
    neighbors_row_by_row,
    no_output_norms,
    norms_also_between_the_stages,
    no_norm_of_the_patches,
    attention_over_rows,
    scaled_axis_attention,
    no_dilation,
    batch_norm_of_another_epsilon,
    finest_context_first,
    centers_of_corners_not_aligned,
    centers_of_corners_aligned,
    size_of_the_picture,
    permuted_context,
    mean_of_the_context,
    no_relu_of_keys_and_values,
    one_threshold_for_both,
    zero_padding_of_the_pyramid,
    expanding_without_the_factor_of_4,
)


def compare(network, x):
    with torch.inference_mode():
        maps = network(x)
    for sample in range(len(x)):
        facts = FACTS["pred_single"][str(sample)]
        assert_like(maps[sample : sample + 1], facts, atol=1e-5)


def test_without_a_mistake_the_figures_agree(network, x):
    compare(network, x[:1])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_the_figures_find(mistake, monkeypatch, network, x):
    mistake(partial(monkeypatch.setattr, raising=False), network)

    with pytest.raises(AssertionError):
        compare(network, x[:1])


def test_the_figures_find_a_map_that_is_stretched_over_the_batch(monkeypatch, network, x):
    stretched_over_the_batch(monkeypatch.setattr, network)

    with pytest.raises(AssertionError):
        compare(network, x)
