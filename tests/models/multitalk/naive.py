"""The audio-driven denoiser written down plainly, in float64, without diffusers and without ours.

It reads a state by the authors' names and follows the rules of their code one tensor at a time.
"""

from __future__ import annotations

import torch
from torch.nn import functional

TEXT_TOKENS = 512


def attention(q, k, v):
    """Softmax attention of `(heads, tokens, dim)`."""
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ v


def heads_of(x, heads):
    return x.reshape(len(x), heads, -1).transpose(0, 1)


def merged(x):
    return x.transpose(0, 1).flatten(1)


def rotated(x, angles):
    """Pairs of neighbors of `x`, `(..., dim)`, as complex numbers, turned by angles."""
    turned = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.polar(
        torch.ones_like(angles), angles
    )
    return torch.view_as_real(turned).flatten(-2)


def speeds(dim):
    return 10000.0 ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)


def rotary_1d(x, positions):
    return rotated(x, torch.outer(positions.double(), speeds(x.shape[-1])))


def reference_map(q, k, masks):
    """`(3, tokens)` from `(heads, tokens, dim)`; `masks` has the tokens of the first frame."""
    shares = (q @ k[:, : masks.shape[1]].transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1)
    rows = []
    for mask in masks.double():
        inside = (shares * mask).sum(dim=-1) / mask.sum()
        rows.append(inside.mean(dim=0))
    return torch.stack(rows)


def labels(maps, interval=4, span=24):
    """The label of each token."""
    found = []
    low, high = maps.amin(dim=1), maps.amax(dim=1)
    for token in maps.T:
        scaled = (token - low) / (high - low + 1e-8) * interval
        choices = scaled[0], scaled[1] + span - interval, torch.tensor(float(span // 2))
        found.append(choices[int(token.argmax())])
    return torch.stack([one.double() for one in found])


class Weights:
    """Layers of a state by name."""

    def __init__(self, state, prefix=""):
        self.state, self.prefix = state, prefix

    def __getattr__(self, name):
        return Weights(self.state, f"{self.prefix}{name}.")

    def __getitem__(self, number):
        return getattr(self, str(number))

    def tensor(self, name):
        return self.state[f"{self.prefix}{name}"].double()

    def linear(self, x):
        return functional.linear(x.double(), self.tensor("weight"), self.tensor("bias"))

    def layer_norm(self, x, eps):
        weight, bias = self.tensor("weight"), self.tensor("bias")
        return functional.layer_norm(x, x.shape[-1:], weight, bias, eps)

    def rms_norm(self, x, eps):
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps) * self.tensor("weight")


def audio_attention(layers, x, audio, frames, heads, maps=None):
    """What `audio`, `(frames, tokens, width)`, adds to `x`, `(frames * n, dim)`."""
    q = heads_of(layers.q_linear.linear(x), heads)
    token_labels = None if maps is None else labels(maps)
    out = []
    for number, part in enumerate(q.chunk(frames, dim=1)):
        key, value = layers.kv_linear.linear(audio[number]).chunk(2, dim=-1)
        key, value = heads_of(key, heads), heads_of(value, heads)
        if token_labels is not None:
            part = rotary_1d(part, token_labels.chunk(frames)[number])
            half = key.shape[1] // 2
            voices = torch.tensor([2.0] * half + [22.0] * (key.shape[1] - half))
            key = rotary_1d(key, voices)
        out.append(merged(attention(part, key, value)))
    return layers.proj.linear(torch.cat(out))


def audio_tokens(layers, windows, eps=1e-5):
    """`(latent frames, people * tokens, width)` of windows `(people, 4k + 1, 5, 12, 768)`."""
    people = []
    for voice in windows.double():
        rows = [layers.proj1.linear(voice[0].flatten()).relu()]
        for start in range(1, len(voice), 4):
            a, b, c, d = voice[start : start + 4]
            eight = torch.cat([a[:3], b[2:3], c[2:3], d[2:]])
            rows.append(layers.proj1_vf.linear(eight.flatten()).relu())
        hidden = layers.proj2.linear(torch.stack(rows)).relu()
        width = len(layers.norm.tensor("weight"))
        tokens = layers.proj3.linear(hidden).unflatten(-1, (-1, width))
        people.append(layers.norm.layer_norm(tokens, eps))
    return torch.cat(people, dim=1)


def rotary_3d(grid, dim):
    """Angles of all tokens: frame, row and column have their own parts of a head."""
    side = 2 * (dim // 6)
    parts = [dim - 2 * side, side, side]
    tokens = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in grid))
    return torch.cat(
        [torch.outer(tokens[:, axis], speeds(part)) for axis, part in enumerate(parts)], dim=1
    )


def time_features(time, width):
    half = torch.arange(width // 2, dtype=torch.float64)
    angles = time * 10000.0 ** -(half / (width // 2))
    return torch.cat([angles.cos(), angles.sin()])


def block(layers, x, parts, text, picture, config, masks):
    """One block; `parts` are grid, rotary angles, time modulation and audio tokens."""
    grid, angles, modulation, audio = parts
    heads, eps = config["num_heads"], config["eps"]
    shift, scale, gate, shift_2, scale_2, gate_2 = layers.tensor("modulation")[0] + modulation

    def plain_norm(values):
        return functional.layer_norm(values, values.shape[-1:], eps=eps)

    attn = layers.self_attn
    given = plain_norm(x) * (1 + scale) + shift
    q = rotated(heads_of(attn.norm_q.rms_norm(attn.q.linear(given), eps), heads), angles)
    k = rotated(heads_of(attn.norm_k.rms_norm(attn.k.linear(given), eps), heads), angles)
    v = heads_of(attn.v.linear(given), heads)
    x = x + attn.o.linear(merged(attention(q, k, v))) * gate
    maps = None if masks is None else reference_map(q, k, masks)

    attn = layers.cross_attn
    q = heads_of(attn.norm_q.rms_norm(attn.q.linear(layers.norm3.layer_norm(x, eps)), eps), heads)
    k = heads_of(attn.norm_k.rms_norm(attn.k.linear(text), eps), heads)
    seen = heads_of(attn.norm_k_img.rms_norm(attn.k_img.linear(picture), eps), heads)
    both = attention(q, k, heads_of(attn.v.linear(text), heads))
    both = both + attention(q, seen, heads_of(attn.v_img.linear(picture), heads))
    x = x + attn.o.linear(merged(both))

    heard = layers.norm_x.layer_norm(x, eps)
    x = x + audio_attention(layers.audio_cross_attn, heard, audio, grid[0], heads, maps)

    hidden = layers.ffn[0].linear(plain_norm(x) * (1 + scale_2) + shift_2)
    return x + layers.ffn[2].linear(functional.gelu(hidden, approximate="tanh")) * gate_2


def predict(state, config, *, latent, condition, timestep, text, image_embeds, audio, masks):
    """The raw output `(16, f, h, w)`; the arguments are those of ours, `masks` region masks."""
    layers = Weights(state)
    hidden = torch.cat([latent.double(), condition[0].double()])
    frames, grid = hidden.shape[1], (hidden.shape[1], hidden.shape[2] // 2, hidden.shape[3] // 2)
    weight, bias = layers.patch_embedding.tensor("weight"), layers.patch_embedding.tensor("bias")
    x = functional.conv3d(hidden[None], weight, bias, stride=(1, 2, 2))[0].flatten(1).T

    embedding = layers.time_embedding
    time = functional.silu(embedding[0].linear(time_features(timestep, config["freq_dim"])))
    time = embedding[2].linear(time)
    modulation = layers.time_projection[1].linear(functional.silu(time)).unflatten(0, (6, -1))

    words = torch.zeros(TEXT_TOKENS, text.shape[1])
    words[: len(text)] = text
    words = functional.gelu(layers.text_embedding[0].linear(words), approximate="tanh")
    words = layers.text_embedding[2].linear(words)
    image = layers.img_emb.proj
    picture = image[1].linear(image[0].layer_norm(image_embeds[0].double(), 1e-5))
    picture = image[4].layer_norm(image[3].linear(functional.gelu(picture)), 1e-5)

    tokens = audio_tokens(layers.audio_proj, audio)
    if masks is not None:
        masks = masks[:, ::2, ::2].flatten(1)
    parts = grid, rotary_3d(grid, config["dim"] // config["num_heads"]), modulation, tokens
    for number in range(config["num_layers"]):
        x = block(layers.blocks[number], x, parts, words, picture, config, masks)

    shift, scale = layers.head.tensor("modulation")[0] + time
    x = functional.layer_norm(x, x.shape[-1:], eps=config["eps"]) * (1 + scale) + shift
    patches = layers.head.head.linear(x).reshape(*grid, 2, 2, -1)
    return patches.permute(5, 0, 1, 3, 2, 4).reshape(-1, frames, 2 * grid[1], 2 * grid[2])
