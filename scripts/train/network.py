"""The `mistral4` language model and its Pixtral tower in PyTorch, as llama.cpp computes them.

Multi-head latent attention with YaRN positions and the llama-4 attention temperature, experts chosen by softmax and
renormalised, one shared expert. The mixture is computed as one wide feed-forward layer whose hidden units are scaled
by their expert's weight: on a CPU that is faster than sorting tokens by expert, and it gives the same numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .dimensions import TextDimensions, VisionDimensions

YARN_FACTOR, YARN_CONTEXT, ROPE_BASE = 128.0, 8192, 10000.0
BETA_FAST, BETA_SLOW = 32.0, 1.0
TEMPERATURE_SCALE, TEMPERATURE_LENGTH = 0.1, 8192
EMBEDDING_SIZE = 0.7  # root mean square at the start: what a token is must not drown in what the layers add


def yarn_frequencies(rope: int) -> Tensor:
    """Return the angle per position of each pair of dimensions, [rope/2] (ggml: rope_yarn, no magnitude scale)."""
    pairs = torch.arange(0, rope, 2, dtype=torch.float64)
    plain = ROPE_BASE ** (-pairs / rope)

    def corner(rotations: float) -> float:
        return rope * math.log(YARN_CONTEXT / (rotations * 2 * math.pi)) / (2 * math.log(ROPE_BASE))

    low = max(0.0, math.floor(corner(BETA_FAST)))
    high = min(rope - 1.0, math.ceil(corner(BETA_SLOW)))
    ramp = ((pairs / 2 - low) / max(0.001, high - low)).clamp(0, 1)
    kept = 1 - ramp
    return (plain / YARN_FACTOR * (1 - kept) + plain * kept).float()


def rotate(values: Tensor, angles: Tensor) -> Tensor:
    """Turn neighbouring pairs of the last dimension by `angles` (interleaved RoPE)."""
    even, odd = values[..., 0::2], values[..., 1::2]
    cos, sin = angles.cos().to(values.dtype), angles.sin().to(values.dtype)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return softmax attention of [batch, heads, length, size]; `mask` is added to the scores.

    Plain products: for the short sequences of this training four times as fast on a CPU as PyTorch's fused kernel.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return (scores if mask is None else scores + mask.to(scores.dtype)).softmax(-1) @ value


def causal_mask(length: int, device: torch.device) -> Tensor:
    """Return what is added to scores so that nothing looks ahead, [length, length]."""
    return torch.full((length, length), -torch.inf, device=device).triu(1)


class RmsNorm(nn.Module):
    """Scale to unit root mean square."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, values: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return functional.rms_norm(values, self.weight.shape, self.weight.to(values.dtype), self.eps)


class LatentAttention(nn.Module):
    """Attention whose keys and values come from one narrow latent vector per token."""

    def __init__(self, dims: TextDimensions) -> None:
        super().__init__()
        self.dims = dims
        width, heads = dims.width, dims.heads
        self.q_a = nn.Linear(width, dims.q_lora, bias=False)
        self.q_a_norm = RmsNorm(dims.q_lora, 1e-6)
        self.q_b = nn.Linear(dims.q_lora, heads * (dims.nope + dims.rope), bias=False)
        self.kv_a = nn.Linear(width, dims.kv_lora + dims.rope, bias=False)
        self.kv_a_norm = RmsNorm(dims.kv_lora, 1e-6)
        self.k_b = nn.Linear(dims.kv_lora, heads * dims.nope, bias=False)
        self.v_b = nn.Linear(dims.kv_lora, heads * dims.value, bias=False)
        self.out = nn.Linear(heads * dims.value, width, bias=False)

    def forward(self, hidden: Tensor, angles: Tensor, temperature: Tensor, mask: Tensor) -> Tensor:
        """Attend within [batch, length, width]; `mask` is added to the scores."""
        dims = self.dims
        batch, length, _ = hidden.shape
        query = self.q_b(self.q_a_norm(self.q_a(hidden)))
        query = query.view(batch, length, dims.heads, dims.nope + dims.rope).transpose(1, 2)
        latent, key_rope = self.kv_a(hidden).split((dims.kv_lora, dims.rope), -1)
        latent = self.kv_a_norm(latent)
        key = self.k_b(latent).unflatten(-1, (dims.heads, -1)).transpose(1, 2)
        value = self.v_b(latent).unflatten(-1, (dims.heads, -1)).transpose(1, 2)
        key_rope = rotate(key_rope, angles)[:, None].expand(-1, dims.heads, -1, -1)
        query_rope = rotate(query[..., dims.nope :], angles[:, None])
        query = torch.cat((query[..., : dims.nope], query_rope), -1) * temperature.to(query.dtype)
        mixed = attend(query, torch.cat((key, key_rope), -1), value, mask)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, -1))


class Mixture(nn.Module):
    """Routed experts and one shared expert, as one wide feed-forward layer."""

    def __init__(self, dims: TextDimensions) -> None:
        super().__init__()
        self.dims = dims
        units = (dims.experts + 1) * dims.expert_width
        self.router = nn.Linear(dims.width, dims.experts, bias=False)
        self.gate = nn.Linear(dims.width, units, bias=False)
        self.up = nn.Linear(dims.width, units, bias=False)
        self.down = nn.Linear(units, dims.width, bias=False)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output and the loss that keeps the experts evenly used."""
        dims = self.dims
        odds = self.router(hidden).float().softmax(-1)
        best, chosen = odds.topk(dims.experts_used, -1)
        weights = torch.zeros_like(odds).scatter(-1, chosen, best / best.sum(-1, keepdim=True))
        share = (weights > 0).float().flatten(0, -2).mean(0) / dims.experts_used
        balance = dims.experts * (share * odds.flatten(0, -2).mean(0)).sum()
        every = torch.cat((weights, torch.ones_like(weights[..., :1])), -1).to(hidden.dtype)
        units = functional.silu(self.gate(hidden)) * self.up(hidden)
        units = (units.unflatten(-1, (dims.experts + 1, dims.expert_width)) * every[..., None]).flatten(-2)
        return self.down(units), balance


class Block(nn.Module):
    """One layer."""

    def __init__(self, dims: TextDimensions) -> None:
        super().__init__()
        self.attention_norm = RmsNorm(dims.width, 1e-6)
        self.attention = LatentAttention(dims)
        self.mixture_norm = RmsNorm(dims.width, 1e-6)
        self.mixture = Mixture(dims)

    def forward(self, hidden: Tensor, angles: Tensor, temperature: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new hidden state and the balance loss."""
        hidden = hidden + self.attention(self.attention_norm(hidden), angles, temperature, mask)
        added, balance = self.mixture(self.mixture_norm(hidden))
        return hidden + added, balance


class TextModel(nn.Module):
    """The language model."""

    def __init__(self, dims: TextDimensions) -> None:
        super().__init__()
        self.dims = dims
        self.embedding = nn.Embedding(dims.vocabulary, dims.width)
        self.blocks = nn.ModuleList(Block(dims) for _ in range(dims.layers))
        self.norm = RmsNorm(dims.width, 1e-6)
        self.output = nn.Linear(dims.width, dims.vocabulary, bias=False)
        self.register_buffer("frequencies", yarn_frequencies(dims.rope), persistent=False)
        self.reset()

    def reset(self) -> None:
        """Draw new weights."""
        depth = (2 * self.dims.layers) ** -0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                continue
            spread = EMBEDDING_SIZE if "embedding" in name else parameter.shape[-1] ** -0.5
            narrow = name.endswith(("out.weight", "down.weight"))
            nn.init.normal_(parameter, std=spread * depth if narrow else spread)

    def forward(self, embedded: Tensor, positions: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return normalised hidden states [batch, length, width] and the summed balance loss."""
        angles = positions[..., None].float() * self.frequencies
        steps = torch.floor(positions.float() / TEMPERATURE_LENGTH)
        temperature = (1 + TEMPERATURE_SCALE * torch.log1p(steps))[:, None, :, None]
        balance = embedded.new_zeros((), dtype=torch.float32)
        hidden = embedded
        mask = causal_mask(embedded.shape[1], embedded.device) if mask is None else mask
        for block in self.blocks:
            hidden, added = block(hidden, angles, temperature, mask)
            balance = balance + added
        return self.norm(hidden), balance


class VisionAttention(nn.Module):
    """Full attention over the patches of one picture."""

    def __init__(self, dims: VisionDimensions) -> None:
        super().__init__()
        self.heads = dims.heads
        for name in ("q", "k", "v", "out"):
            setattr(self, name, nn.Linear(dims.width, dims.width, bias=False))
        with torch.no_grad():  # begin by looking at what is near and alike: learns shapes much sooner
            self.k.weight.copy_(self.q.weight)

    def forward(self, hidden: Tensor, angles: Tensor) -> Tensor:
        """Attend within [batch, patches, width]."""
        query, key, value = (
            layer(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )
        mixed = attend(rotate(query, angles), rotate(key, angles), value)
        return self.out(mixed.transpose(1, 2).flatten(-2))


class VisionBlock(nn.Module):
    """One layer of the tower."""

    def __init__(self, dims: VisionDimensions) -> None:
        super().__init__()
        self.attention_norm = RmsNorm(dims.width, 1e-5)
        self.attention = VisionAttention(dims)
        self.mlp_norm = RmsNorm(dims.width, 1e-5)
        self.gate = nn.Linear(dims.width, dims.feed_forward, bias=False)
        self.up = nn.Linear(dims.width, dims.feed_forward, bias=False)
        self.down = nn.Linear(dims.feed_forward, dims.width, bias=False)

    def forward(self, hidden: Tensor, angles: Tensor) -> Tensor:
        """Return the new hidden state."""
        hidden = hidden + self.attention(self.attention_norm(hidden), angles)
        normed = self.mlp_norm(hidden)
        return hidden + self.down(functional.silu(self.gate(normed)) * self.up(normed))


class VisionTower(nn.Module):
    """Pixtral: patches, 2-D positions, merging of 2 x 2 patches, and the projector."""

    def __init__(self, dims: VisionDimensions, text_width: int) -> None:
        super().__init__()
        self.dims = dims
        self.patches = nn.Conv2d(3, dims.width, dims.patch, dims.patch, bias=False)
        self.pre_norm = RmsNorm(dims.width, 1e-5)
        self.blocks = nn.ModuleList(VisionBlock(dims) for _ in range(dims.layers))
        self.merge_norm = RmsNorm(dims.width, 1e-5)
        self.merge = nn.Linear(dims.width * dims.merge**2, dims.width, bias=False)
        self.project_in = nn.Linear(dims.width, text_width, bias=False)
        self.project_out = nn.Linear(text_width, text_width, bias=False)
        self.row_break = nn.Parameter(torch.randn(text_width) * 0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        """Turn pixels [batch, 3, height, width] into tokens [batch, rows, columns, text width], no breaks."""
        grid = self.patches(pictures)
        rows, columns = grid.shape[-2:]
        hidden = self.pre_norm(grid.flatten(2).transpose(1, 2))
        angles = self._angles(rows, columns)
        for block in self.blocks:
            hidden = block(hidden, angles)
        hidden = self.merge_norm(hidden).transpose(1, 2).unflatten(-1, (rows, columns))
        merge = self.dims.merge
        merged = functional.unfold(hidden, merge, stride=merge).transpose(1, 2)
        projected = self.project_out(functional.gelu(self.project_in(self.merge(merged)), approximate="tanh"))
        return projected.unflatten(1, (rows // merge, columns // merge))

    def _angles(self, rows: int, columns: int) -> Tensor:
        """Return the angles of every patch: half of the pairs turn by row, half by column."""
        head = self.dims.width // self.dims.heads
        device = self.row_break.device
        steps = torch.arange(head // 4, dtype=torch.float32, device=device)
        by_row = ROPE_BASE ** (-2 * steps / (head / 2))
        by_column = by_row * ROPE_BASE ** (-2 / head)
        places = torch.arange(rows * columns, device=device)[:, None]
        return torch.cat((places // columns * by_row, places % columns * by_column), -1)
