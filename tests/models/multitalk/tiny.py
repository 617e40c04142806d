"""Tiny talking-picture models of random weights, with every component of the real ones.

The base is the tiny Wan2.1 of its own tests; here come the audio layers and the speech encoder.
"""

from __future__ import annotations

import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from models.multitalk.denoiser import add_audio_layers
from tests.models.kokoro.small import write_voices
from tests.models.wan.tiny import DENOISERS, seeded, tiny_weights, write_lora

SPEECH = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "conv_dim": [12, 12, 12, 12, 12, 12, 12],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "vocab_size": 32,
}
PROJECTION = {"intermediate_dim": 8, "output_dim": 16, "context_tokens": 4}


def tiny_talking(folder, form="bf16", *, loras=(), voices=(), **options):
    """Write the weights of one model into a folder and return it."""
    tiny_weights(folder, "wan2.1", form, lora=False, **options)
    for name in loras:
        write_lora(folder / "lora" / f"{name}.safetensors", DENOISERS["wan2.1"])
    write_speech_encoder(folder / "wav2vec2")
    if voices:
        write_voices(folder / "kokoro", *voices)
    (folder / "audio").mkdir()
    save_file(audio_state(), folder / "audio" / "audio.safetensors")
    return folder


def audio_state():
    """Audio layers in the published names, large enough that a voice is heard."""
    with torch.device("meta"):
        base = WanTransformer3DModel(**DENOISERS["wan2.1"])
    shapes = add_audio_layers(
        base, blocks=SPEECH["num_hidden_layers"], channels=SPEECH["hidden_size"], **PROJECTION
    ).audio_shapes

    def create():
        return {
            name: torch.randn(shape) / (shape[-1] ** 0.5 if len(shape) > 1 else 1)
            for name, shape in sorted(shapes.items())
        }

    return seeded("audio", create)


def write_speech_encoder(folder):
    """Write a wav2vec2 model as it is published: a pickle, with its config."""
    model = seeded("speech", lambda: Wav2Vec2Model(Wav2Vec2Config(**SPEECH)))
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
