"""The denoiser: Wan's image-to-video network with an audio projection and a voice in each block."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders import single_file_utils
from torch import Tensor, nn
from torch.nn import functional

from models.multitalk import audio as sound
from models.multitalk.attention import AudioCrossAttention
from models.multitalk.block import AudioContext, Float32LayerNorm, wrap
from models.multitalk.projection import AudioProjection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_TRANSFORMER: Any = WanTransformer3DModel
_convert_names: Any = single_file_utils.convert_wan_transformer_to_diffusers

TEXT_TOKENS: Final = 512
"""Must not change: the attention of Wan2.1 always takes the last 512 tokens as text."""
_IMAGE_WIDTH: Final = 1280
"""Width of CLIP's tokens of the picture."""
_FEATURE_LAYERS: Final = 12
_AUDIO_PREFIX: Final = "audio_proj."
_AUDIO_PARTS: Final = (".audio_cross_attn.", ".norm_x.")


class TalkingDenoiser(nn.Module):
    """A Wan transformer with audio layers, all of which attend to the same `context`."""

    def __init__(self, transformer: Any, projection: AudioProjection, audio: AudioContext) -> None:
        super().__init__()
        self.transformer = transformer
        self.audio_proj = projection
        self.context = audio

    @property
    def dtype(self) -> torch.dtype:
        """The type that it computes in."""
        dtype: torch.dtype = self.transformer.dtype
        return dtype

    @property
    def audio_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters of the audio layers by name, as in the published file."""
        shapes = {
            name.removeprefix("transformer."): tuple(parameter.shape)
            for name, parameter in self.named_parameters()
        }
        return {name: shape for name, shape in shapes.items() if is_audio(name)}

    def tokens(self, windows: Tensor) -> Tensor:
        """Audio tokens `(1, latent frames, people * tokens, width)` of windows of features.

        `windows` is `(people, 4k + 1, 5, layers, hidden)`.
        """
        first, latter = sound.group(windows.to(self.audio_proj.proj1.weight))
        projected: Tensor = self.audio_proj(first, latter)
        return projected.transpose(0, 1).flatten(1, 2)[None]

    def forward(
        self,
        hidden: Tensor,
        timestep: Tensor,
        text: Tensor,
        image_embeds: Tensor,
        tokens: Tensor,
        masks: Tensor | None,
    ) -> Tensor:
        """Return the velocity `(B, channels, f, h, w)`, before the sign flip.

        `hidden` has the condition after the latent; `text` is padded to 512 rows; `masks` is
        `(3, h, w)` at latent resolution, None for one person.
        """
        with self._hearing(hidden, tokens, masks):
            output: Tensor = self.transformer(
                hidden_states=hidden.to(self.dtype),
                timestep=timestep,
                encoder_hidden_states=text.to(self.dtype),
                encoder_hidden_states_image=image_embeds.to(self.dtype),
                return_dict=False,
            )[0]
        return output

    @contextmanager
    def _hearing(self, hidden: Tensor, tokens: Tensor, masks: Tensor | None) -> Iterator[None]:
        rows, columns = hidden.shape[-2] // 2, hidden.shape[-1] // 2
        context = self.context
        context.grid = hidden.shape[2], rows, columns
        context.tokens = tokens.to(self.dtype)
        context.masks = None if masks is None else _on_tokens(masks.to(hidden), (rows, columns))
        try:
            yield
        finally:
            context.tokens = context.masks = context.reference_map = None


def add_audio_layers(
    transformer: Any,
    *,
    window: int = sound.WINDOW,
    vae_scale: int = 4,
    norm_input_visual: bool = True,
    blocks: int = _FEATURE_LAYERS,
    **projection: Any,
) -> TalkingDenoiser:
    """Give a Wan transformer audio layers without values, on the device `meta`.

    Its own layers stay the same objects. `projection` are further arguments of `AudioProjection`.
    """
    config, context = transformer.config, AudioContext()
    dim = config.num_attention_heads * config.attention_head_dim
    with torch.device("meta"):
        projected = AudioProjection(
            seq_len=window, seq_len_vf=window + vae_scale - 1, blocks=blocks, **projection
        )
        layers = [
            (
                AudioCrossAttention(
                    dim=dim,
                    encoder_hidden_states_dim=projected.output_dim,
                    num_heads=config.num_attention_heads,
                    eps=config.eps,
                ),
                Float32LayerNorm(dim, config.eps) if norm_input_visual else nn.Identity(),
            )
            for _ in transformer.blocks
        ]
    transformer.blocks = wrap(transformer.blocks, layers, context)
    return TalkingDenoiser(transformer, projected, context)


def from_original(config: Mapping[str, Any], state_dict: Mapping[str, Tensor]) -> TalkingDenoiser:
    """Create a denoiser from the authors' config and weights with their names.

    Keys that `config` lacks have the published values.
    Raises `ValueError` that names keys which are missing or unknown, or have another shape.
    """
    config = {**_PUBLISHED, **config}
    base = {name: one for name, one in state_dict.items() if not is_audio(name)}
    spoken = {name: one for name, one in state_dict.items() if is_audio(name)}
    if config["model_type"] != "i2v":
        raise ValueError(f"{config['model_type']!r} is not the image-to-video network: `i2v`")
    with torch.device("meta"):
        transformer = _TRANSFORMER.from_config(_library_config(config))
    model = add_audio_layers(
        transformer,
        window=config["audio_window"],
        vae_scale=config["vae_scale"],
        norm_input_visual=config["norm_input_visual"],
        **{name: config[name] for name in _PROJECTION_FIELDS},
    )
    _check_names(model, base, spoken)
    assign(model.transformer, _convert_names(base))
    assign_audio(model, spoken)
    _compute_rotary_tables(model.transformer)
    return model.eval().requires_grad_(False)


@torch.no_grad()
def predict(  # noqa: PLR0913 - what a prediction depends on, by name
    model: TalkingDenoiser,
    *,
    latent: Tensor,
    condition: Tensor,
    timestep: float | Tensor,
    text: Tensor,
    image_embeds: Tensor,
    audio: Tensor,
    region_masks: Tensor | None = None,
) -> Tensor:
    """The velocity of one latent `(16, f, h, w)` at a time of 0 to 1000, before the sign flip.

    `condition` is `(1, 20, f, h, w)`: 4 channels of mask and 16 of the given frames; `text`
    `(n, dim)` is padded here; `image_embeds` `(1, 257, 1280)`; `audio` are windows
    `(people, 4f - 3, 5, 12, 768)`; `region_masks` `(3, h, w)`, None for one person.
    """
    time = torch.as_tensor(timestep, dtype=torch.float32, device=latent.device).reshape(1)
    hidden = torch.cat([latent[None], condition.to(latent)], dim=1)
    tokens = model.tokens(audio)
    velocity: Tensor = model(hidden, time, padded(text), image_embeds, tokens, region_masks)
    return velocity[0]


def padded(text: Tensor) -> Tensor:
    """Text `(n, dim)` as `(1, 512, dim)`, with zeros after its end."""
    return functional.pad(text, (0, 0, 0, TEXT_TOKENS - len(text)))[None]


def is_audio(name: str) -> bool:
    """Whether a tensor of this name belongs to the audio layers, in the published names."""
    return name.startswith(_AUDIO_PREFIX) or any(part in name for part in _AUDIO_PARTS)


def assign_audio(model: TalkingDenoiser, tensors: Mapping[str, Tensor]) -> None:
    """Set parameters of the audio layers, named as in the published file, without a copy."""
    assign(
        model,
        {
            name if name.startswith(_AUDIO_PREFIX) else f"transformer.{name}": tensor
            for name, tensor in tensors.items()
        },
    )


def assign(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Set the named parameters of a module to these tensors themselves."""
    module.load_state_dict(dict(tensors), strict=False, assign=True)


_PUBLISHED: Final[Mapping[str, Any]] = {
    "model_type": "i2v",
    "in_dim": 36,
    "dim": 5120,
    "ffn_dim": 13824,
    "freq_dim": 256,
    "text_dim": 4096,
    "out_dim": 16,
    "num_heads": 40,
    "num_layers": 40,
    "qk_norm": True,
    "cross_attn_norm": True,
    "eps": 1e-6,
    "audio_window": sound.WINDOW,
    "intermediate_dim": 512,
    "output_dim": 768,
    "context_tokens": 32,
    "vae_scale": 4,
    "norm_input_visual": True,
    "norm_output_audio": True,
}
"""The config of the published weights, in the authors' words."""
_PROJECTION_FIELDS: Final = (
    "intermediate_dim",
    "output_dim",
    "context_tokens",
    "norm_output_audio",
)


def _library_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of diffusers' class, from that of the authors."""
    return {
        "patch_size": (1, 2, 2),
        "num_attention_heads": config["num_heads"],
        "attention_head_dim": config["dim"] // config["num_heads"],
        "in_channels": config["in_dim"],
        "out_channels": config["out_dim"],
        "text_dim": config["text_dim"],
        "freq_dim": config["freq_dim"],
        "ffn_dim": config["ffn_dim"],
        "num_layers": config["num_layers"],
        "cross_attn_norm": config["cross_attn_norm"],
        "qk_norm": "rms_norm_across_heads" if config["qk_norm"] else None,
        "eps": config["eps"],
        "image_dim": _IMAGE_WIDTH,
        "added_kv_proj_dim": config["dim"],
    }


def _check_names(
    model: TalkingDenoiser, base: Mapping[str, Tensor], spoken: Mapping[str, Tensor]
) -> None:
    found = {name: tuple(one.shape) for name, one in _convert_names(dict(base)).items()}
    found |= {name: tuple(one.shape) for name, one in spoken.items()}
    expected = {
        name.removeprefix("transformer."): tuple(parameter.shape)
        for name, parameter in model.named_parameters()
    }
    faults = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    faults += [f"{name} is unknown" for name in sorted(found.keys() - expected.keys())]
    faults += [
        f"{name} is {found[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & found.keys())
        if found[name] != expected[name]
    ]
    if faults:
        raise ValueError(f"the weights do not fit the config: {_first_few(faults)}")


def _first_few(faults: Iterable[str], limit: int = 4) -> str:
    listed = list(faults)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return "; ".join(listed[:limit]) + more


def _compute_rotary_tables(transformer: Any) -> None:
    """Compute the rotary tables, which no file holds, for a model that was built on `meta`."""
    rope = transformer.rope
    transformer.rope = type(rope)(rope.attention_head_dim, rope.patch_size, rope.max_seq_len)


def _on_tokens(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Masks `(3, h, w)` at latent resolution, on the grid of tokens: `(3, rows * columns)`."""
    return functional.interpolate(masks[None], size=grid, mode="nearest")[0].flatten(1)
