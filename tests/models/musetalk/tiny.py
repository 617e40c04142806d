"""A tiny MuseTalk: every part of the real one, with small layers and random weights.

Folder and file names are those of `models/musetalk/weights.toml`. They take 2 MB.
"""

from __future__ import annotations

import json

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.utils import logging

from tests.models.musetalk.bright import bright_spot_model

WIDTH = 32
UNET = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0.dev0",
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": [8, 8, 16, 16],
    "layers_per_block": 2,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
}


def tiny_weights(folder, *, landmarks=True):
    """Write all files into a folder and return it."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        _write_unet(folder / "unet")
        _write_vae(folder / "vae")
        _write_whisper(folder / "whisper")
    if landmarks:
        (folder / "dwpose").mkdir()
        (folder / "dwpose/dw-ll_ucoco_384.onnx").write_bytes(bright_spot_model())
    return folder


def _write_unet(folder):
    folder.mkdir(parents=True)
    (folder / "musetalk.json").write_text(json.dumps(UNET))
    torch.save(UNet2DConditionModel.from_config(UNET).state_dict(), folder / "unet.pth")


def _write_vae(folder):
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
    ).save_pretrained(folder)


def _write_whisper(folder):
    logging.disable_progress_bar()
    WhisperModel(
        WhisperConfig(
            d_model=WIDTH,
            encoder_layers=4,
            encoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_layers=1,
            decoder_attention_heads=2,
            decoder_ffn_dim=32,
            vocab_size=64,
            max_target_positions=8,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=3,
        )
    ).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
