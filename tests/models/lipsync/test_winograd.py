"""Winograd's convolutions give the numbers of the direct ones, up to rounding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.lipsync import winograd
from models.lipsync.winograd import Scratch, WinogradConv


def convolution(inputs=128, outputs=40, **options):
    torch.manual_seed(1)
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, **options).requires_grad_(False)
    return layer.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(8, 12), (4, 4), (6, 10), (2, 8), (3, 3), (4, 5)])
def test_the_result_is_that_of_the_direct_convolution(size, bias):
    layer, x = convolution(bias=bias), torch.randn(3, 128, *size)

    found = WinogradConv(layer, Scratch())(x)

    wanted = layer(x)
    assert (found - wanted).abs().max() < 2e-5 * wanted.abs().max()
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("chunk", [1, 200_000, 1 << 30])
def test_the_result_does_not_depend_on_the_images_computed_at_a_time(monkeypatch, chunk):
    layer, x = convolution(), torch.randn(5, 128, 8, 8)
    monkeypatch.setattr(winograd, "_CHUNK_BYTES", chunk)

    found = WinogradConv(layer, Scratch())(x)

    assert (found - layer(x)).abs().max() < 2e-5


def test_layers_that_share_scratch_memory_do_not_disturb_each_other():
    layers = nn.Sequential(convolution(outputs=160), convolution(160, 130), convolution(130, 7))
    fast, x = [WinogradConv(layer, scratch) for scratch in [Scratch()] for layer in layers], None

    for side in (8, 4, 6, 8):
        x = torch.randn(2, 128, side, side)
        found = fast[2](fast[1](fast[0](x)))
        assert (found - layers(x)).abs().max() < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2},
        {"dilation": 2},
        {"groups": 2},
        {"inputs": 64},
        {"padding_mode": "reflect"},
    ],
)
def test_other_convolutions_stay_as_they_are(options):
    network = nn.Sequential(convolution(**options), nn.ConvTranspose2d(40, 128, 3, padding=1))

    winograd.replace_convolutions(network)

    assert [type(layer) for layer in network] == [nn.Conv2d, nn.ConvTranspose2d]


def test_convolutions_that_get_faster_are_replaced():
    network = nn.Sequential(nn.Sequential(convolution()), nn.ReLU())

    winograd.replace_convolutions(network)

    assert isinstance(network[0][0], WinogradConv)
