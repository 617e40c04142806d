"""Converts tensor names of diffusers to those of the authors' own files."""

from __future__ import annotations

import re

_DENOISER = [
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("condition_embedder.image_embedder.norm1", "img_emb.proj.0"),
    ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
    ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
    ("condition_embedder.image_embedder.norm2", "img_emb.proj.4"),
    ("attn1", "self_attn"),
    ("attn2", "cross_attn"),
    (".to_q.", ".q."),
    (".to_k.", ".k."),
    (".to_v.", ".v."),
    (".to_out.0.", ".o."),
    (".add_k_proj.", ".k_img."),
    (".add_v_proj.", ".v_img."),
    (".norm_added_k.", ".norm_k_img."),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    (".norm2.", ".norm_swapped."),
    (".norm3.", ".norm2."),
    (".norm_swapped.", ".norm3."),
    (".scale_shift_table", ".modulation"),
    ("proj_out", "head.head"),
]
_AUTOENCODER = [
    (r"^quant_conv", "conv1"),
    (r"^post_quant_conv", "conv2"),
    (r"(en|de)coder\.conv_in", r"\1coder.conv1"),
    (r"norm_out", "head.0"),
    (r"conv_out", "head.2"),
    (r"mid_block\.resnets\.0", "middle.0"),
    (r"mid_block\.attentions\.0", "middle.1"),
    (r"mid_block\.resnets\.1", "middle.2"),
    (r"down_blocks", "downsamples"),
    (r"conv_shortcut", "shortcut"),
]
_RESIDUAL = [
    ("norm1.gamma", "residual.0.gamma"),
    ("conv1.", "residual.2."),
    ("norm2.gamma", "residual.3.gamma"),
    ("conv2.", "residual.6."),
]


def denoiser_spelling(name):
    """The name in the authors' checkpoints, which the GGUF files and the LoRAs use too."""
    if name == "scale_shift_table":
        return "head.modulation"
    for ours, theirs in _DENOISER:
        name = name.replace(ours, theirs)
    return name


def autoencoder_spelling(name):
    """The name in `Wan2.1_VAE.pth`, for two residual blocks a level and three upsampling levels."""
    residual = "resnets" in name or re.match(r"encoder\.down_blocks\.\d+\.(norm|conv)\d", name)
    for ours, theirs in _AUTOENCODER:
        name = re.sub(ours, theirs, name)
    for ours, theirs in _RESIDUAL if residual else []:
        name = re.sub(rf"\.{re.escape(ours)}", f".{theirs}", name)
    return _flattened(name)


def _flattened(name):
    """Number the four modules of a level: three residual blocks, then the upsampler."""
    name = re.sub(
        r"up_blocks\.(\d)\.resnets\.(\d)",
        lambda found: f"upsamples.{4 * int(found[1]) + int(found[2])}",
        name,
    )
    return re.sub(
        r"up_blocks\.(\d)\.upsamplers\.0",
        lambda found: f"upsamples.{4 * int(found[1]) + 3}",
        name,
    )
