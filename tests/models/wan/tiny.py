"""Tiny Wan pipelines of random weights, with every component of the real ones.

Folder and file names are those of each card's `weights.toml`. Each model takes about half a
megabyte. Matrices have rows of 32, the block size of the GGUF formats.
"""

from __future__ import annotations

import json
import zlib

import gguf
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)
from transformers.utils import logging

from tests.models.wan.spelling import autoencoder_spelling, denoiser_spelling

WIDTH = 32
RANK = 4
WORDS = ["▁a", "▁the", "▁cat", "▁looks", "▁around", "▁wind", "▁blurry"]

DENOISER = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "in_channels": 36,
    "out_channels": 16,
    "text_dim": WIDTH,
    "freq_dim": 256,
    "ffn_dim": 64,
    "num_layers": 2,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 32,
}
IMAGE_BRANCH = {"image_dim": WIDTH, "added_kv_proj_dim": WIDTH}
DENOISERS = {
    "wan2.1": DENOISER | IMAGE_BRANCH,
    "wan2.2": DENOISER,
    "ti2v": DENOISER | {"in_channels": 48, "out_channels": 48},
}
VAE = {
    "base_dim": 2,
    "z_dim": 16,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
}
VAE_5B = {
    "base_dim": 2,
    "decoder_base_dim": 2,
    "z_dim": 48,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [0.01 * channel for channel in range(48)],
    "latents_std": [0.5 + 0.01 * channel for channel in range(48)],
}
GGUF_NAMES = {
    "wan2.1": ["wan2.1-i2v-14b-480p-{}.gguf"],
    "wan2.2": ["Wan2.2-I2V-A14B-HighNoise-{}.gguf", "Wan2.2-I2V-A14B-LowNoise-{}.gguf"],
    "ti2v": ["Wan2.2-TI2V-5B-{}.gguf"],
}
FOLDERS = ("transformer", "transformer_2")


def tiny_weights(
    folder, kind="wan2.2", form="bf16", *, vae="diffusers", text="diffusers", lora=None
):
    """Write the weights of one model into a folder and return it.

    `kind` is wan2.1, wan2.2 or ti2v; `form` of the denoisers is bf16 (shards of float32, as on the
    Hub), gguf-q5_0 or gguf-q8_0; `vae` is diffusers or single; `text` is diffusers or fp8; `lora`
    is True (one file), "pair" (one for each expert) or False. None: as in the manifest.
    """
    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    _write_index(folder, kind)
    scheduler = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
    UniPCMultistepScheduler(**scheduler).save_pretrained(folder / "scheduler")
    for component, name in zip(FOLDERS, GGUF_NAMES[kind], strict=False):
        write_denoiser(folder / component, DENOISERS[kind], form, name)
    write_vae(folder / "vae", VAE_5B if kind == "ti2v" else VAE, vae)
    write_text_encoder(folder / "text_encoder", text)
    write_tokenizer(folder / "tokenizer")
    if kind == "wan2.1":
        _write_image_encoder(folder)
    if lora is None:
        lora = kind != "ti2v"
    for name in {True: ["4step"], "pair": ["4step_high", "4step_low"], False: []}[lora]:
        write_lora(folder / "lora" / f"{name}.safetensors", DENOISERS[kind])
    return folder


def seeded(name, create):
    """Create something with random weights: the same for one name, different for two."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(name.encode()))
        return create()


def write_denoiser(folder, config, form, gguf_name="tiny-{}.gguf"):
    """Write one expert as float32 shards, or as GGUF or scaled fp8 with its config."""
    model = seeded(folder.name, lambda: WanTransformer3DModel(**config))
    if form == "bf16":
        model.save_pretrained(folder, max_shard_size="100KB")
        return
    model.save_config(folder)
    if form == "fp8":
        state = {denoiser_spelling(name): one for name, one in model.state_dict().items()}
        save_file(scaled_fp8(state, ".weight"), folder / "tiny_fp8_scaled.safetensors")
        return
    label = form.removeprefix("gguf-").upper()
    write_gguf(folder / gguf_name.format(label), model.state_dict(), label)


def write_gguf(path, state, label, spelling=denoiser_spelling):
    """Write tensors as GGUF: matrices of the blocks and of the text quantized, the rest float32."""
    kind = gguf.GGMLQuantizationType[label]
    writer = gguf.GGUFWriter(path, "wan")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for name, tensor in state.items():
        array = tensor.float().numpy()
        if array.ndim == 2 and ("blocks." in name or "text_embedder" in name):
            writer.add_tensor(spelling(name), gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(spelling(name), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_vae(folder, config, form):
    """Write the VAE in diffusers' layout, or as the single half-precision file of the authors."""
    model = seeded("vae", lambda: AutoencoderKLWan(**config))
    if form == "diffusers":
        model.save_pretrained(folder)
        return
    model.save_config(folder)
    state = {autoencoder_spelling(name): one.half() for name, one in model.state_dict().items()}
    save_file(state, folder / "wan_2.1_vae.safetensors")


def write_text_encoder(folder, form):
    """Write the text encoder as shards of float32, or as ComfyUI's single file of scaled fp8."""
    config = UMT5Config(
        vocab_size=128,
        d_model=WIDTH,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        feed_forward_proj="gated-gelu",
    )
    model = seeded("text", lambda: UMT5EncoderModel(config))
    if form == "diffusers":
        model.save_pretrained(folder, max_shard_size="60KB")
        return
    model.config.save_pretrained(folder)
    save_file(scaled_fp8(model.state_dict()), folder / "umt5_xxl_fp8_e4m3fn_scaled.safetensors")


def scaled_fp8(state, blocks=".block."):
    """Cast matrices of the blocks to fp8 with a scale beside each, in ComfyUI's convention."""
    scaled = {
        "scaled_fp8": torch.empty(2, dtype=torch.float8_e4m3fn),
        "spiece_model": torch.zeros(16, dtype=torch.uint8),
    }
    for name, tensor in state.items():
        if name == "encoder.embed_tokens.weight":
            continue
        if tensor.ndim == 2 and blocks in name and "relative_attention_bias" not in name:
            scale = tensor.abs().max() / torch.finfo(torch.float8_e4m3fn).max
            scaled[name] = (tensor / scale).to(torch.float8_e4m3fn)
            scaled[name.removesuffix("weight") + "scale_weight"] = scale.float()
        else:
            scaled[name] = tensor.half()
    return scaled


def write_tokenizer(folder):
    """Write a SentencePiece-like tokenizer of single characters and a few words."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -4.0)]
    pieces += [(chr(code), -4.0) for code in range(33, 127)] + [(word, -2.0) for word in WORDS]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    ).save_pretrained(folder)


def write_lora(path, config):
    """Write a LoRA in the authors' names for all attention and feed-forward layers."""
    path.parent.mkdir(exist_ok=True)
    model = seeded("shapes", lambda: WanTransformer3DModel(**config))
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if "blocks." in name and isinstance(layer, torch.nn.Linear)
    }
    save_file(seeded(path.stem, lambda: lora_state(layers)), path)


def lora_state(layers):
    """Low-rank pairs with an alpha of half the rank, plus two more kinds of published tensors."""
    state = {}
    for name, layer in layers.items():
        stem = denoiser_spelling(f"diffusion_model.{name}.").removesuffix(".")
        state[f"{stem}.lora_down.weight"] = torch.randn(RANK, layer.in_features) * 0.3
        state[f"{stem}.lora_up.weight"] = torch.randn(layer.out_features, RANK) * 0.3
        state[f"{stem}.alpha"] = torch.tensor(RANK / 2)
        state[f"{stem}.diff_b"] = torch.randn(layer.out_features) * 0.01
    state["diffusion_model.blocks.0.norm3.diff"] = torch.randn(WIDTH) * 0.01
    return state


def _write_image_encoder(folder):
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    seeded("image", lambda: CLIPVisionModel(config)).save_pretrained(folder / "image_encoder")
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder / "image_processor")


def _write_index(folder, kind):
    """Write `model_index.json` as on the Hub; the 5B's names the text-to-video pipeline."""
    denoiser = ["diffusers", "WanTransformer3DModel"]
    image = kind == "wan2.1"
    index = {
        "_class_name": "WanPipeline" if kind == "ti2v" else "WanImageToVideoPipeline",
        "_diffusers_version": "0.35.0.dev0",
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "transformer": denoiser,
        "transformer_2": denoiser if kind == "wan2.2" else [None, None],
        "vae": ["diffusers", "AutoencoderKLWan"],
        "boundary_ratio": 0.9 if kind == "wan2.2" else None,
    }
    if kind == "ti2v":
        index["expand_timesteps"] = True
    else:
        index["image_encoder"] = ["transformers", "CLIPVisionModel"] if image else [None, None]
        index["image_processor"] = ["transformers", "CLIPImageProcessor"] if image else [None, None]
    if kind == "wan2.1":
        del index["boundary_ratio"], index["transformer_2"]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
