"""Teach the tower alone to see, before it meets language.

What a whole picture shows is one bit of news per picture; learning shapes from that alone takes very long. So every
token is also asked what lies under it: the outline at a fineness of 4 pixels, which shape and colour it belongs to,
and where the middle of that shape is. The heads are thrown away afterwards.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .drawing import COLORS, SHAPES, Drawing, draw_clutter, draw_scene
from .encoding import pixels
from .network import VisionTower
from .optimizers import Optimizers, warm_then_decay
from .picture_tasks import picture_sizes

_CELL, _FINE = 28, 7  # pixels per token; outline cells per side of a token
_CLUTTER = len(SHAPES)  # the number of the class "no plain shape"
_PIXELS_PER_STEP = 32 * 112 * 112
_NOTHING = -1


@dataclass
class Lesson:
    """Hold pixels [batch, 3, h, w] and what is right for whole pictures [batch] and tokens [batch, rows, columns]."""

    images: Tensor
    shape: Tensor
    color: Tensor
    outline: Tensor  # [batch, rows, columns, 49], 0..1
    covered: Tensor  # bool
    middle: Tensor  # [batch, rows, columns, 4]: offset of the shape's middle and its radii, in tokens

    def to(self, device: torch.device) -> Lesson:
        """Return the same on another device."""
        return Lesson(*(getattr(self, field.name).to(device) for field in fields(self)))


class Heads(nn.Module):
    """Say what a picture and each of its tokens show."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Linear(width, 4)
        self.whole = nn.Linear(4 * width, len(SHAPES) + 1 + len(COLORS))
        self.each = nn.Linear(width, _FINE * _FINE + len(SHAPES) + len(COLORS) + 4)

    def forward(self, tokens: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return logits (shape, colour) of pictures and (outline, shape, colour, middle) of tokens."""
        flat = tokens.flatten(1, 2)
        weights = self.look(flat).softmax(1)
        pooled = torch.einsum("btk,btw->bkw", weights, flat).flatten(1)
        whole = self.whole(pooled).float().split((len(SHAPES) + 1, len(COLORS)), -1)
        each = self.each(tokens).float().split((_FINE * _FINE, len(SHAPES), len(COLORS), 4), -1)
        return list(whole), list(each)


def draw_lesson(source: random.Random) -> Lesson:
    """Draw pictures of one size with all that is to be learnt about them."""
    kind = source.random()
    virtual, final = picture_sizes(source)
    if kind < 0.25:
        final = (max(84, final[0]), max(84, final[1]))
        virtual = (max(84, virtual[0]), max(84, virtual[1]))
    count = max(6, min(64, _PIXELS_PER_STEP // (final[0] * final[1])))
    drawings = [
        draw_clutter(source, final)
        if source.random() < 0.06
        else draw_scene(source, virtual, with_side=kind < 0.25, final=final)
        for _ in range(count)
    ]
    return _lesson(drawings)


def _lesson(drawings: list[Drawing]) -> Lesson:
    scenes = [drawing.scene for drawing in drawings]
    masks = np.stack([np.asarray(drawing.mask) for drawing in drawings])
    batch, height, width = masks.shape
    rows, columns, fine = height // _CELL, width // _CELL, _CELL // _FINE
    cells = masks.reshape(batch, rows, _FINE, fine, columns, _FINE, fine).mean((3, 6), dtype=np.float32) / 255
    outline = torch.from_numpy(cells.transpose(0, 1, 3, 2, 4).reshape(batch, rows, columns, -1))
    place = torch.tensor([(*scene.center, *scene.radius) for scene in scenes])[:, None, None, :]
    size = torch.tensor([columns, rows, columns, rows])
    here = torch.zeros(rows, columns, 4)
    here[..., 0] = torch.arange(columns) + 0.5
    here[..., 1] = (torch.arange(rows) + 0.5)[:, None]
    shape = [(_NOTHING if scene.side else SHAPES.index(scene.shape)) if scene.shape else _CLUTTER for scene in scenes]
    return Lesson(
        torch.from_numpy(pixels([drawing.image for drawing in drawings])),
        torch.tensor(shape),
        torch.tensor([list(COLORS).index(scene.color) if scene.color else _NOTHING for scene in scenes]),
        outline,
        outline.mean(-1) > 0.08,
        place * size - here,
    )


def judge(whole: list[Tensor], each: list[Tensor], lesson: Lesson) -> Tensor:
    """Return the loss."""
    shape, color = whole
    loss = sum(
        (
            functional.cross_entropy(logits, wanted, ignore_index=_NOTHING)
            for logits, wanted in ((shape, lesson.shape), (color, lesson.color))
            if (wanted != _NOTHING).any()
        ),
        start=torch.zeros((), device=lesson.images.device),
    )
    outline, shape_here, color_here, middle = each
    loss = loss + 3 * functional.binary_cross_entropy_with_logits(outline, lesson.outline)
    batch_of = lesson.covered.nonzero()[:, 0]
    named = (lesson.shape != _NOTHING)[batch_of]
    plain = lesson.shape != _CLUTTER
    if plain.any():
        loss = loss + 0.5 * functional.smooth_l1_loss(middle[plain], lesson.middle[plain])
    if lesson.covered.any():
        loss = loss + 0.5 * functional.cross_entropy(color_here[lesson.covered], lesson.color[batch_of])
    if named.any():
        loss = loss + functional.cross_entropy(shape_here[lesson.covered][named], lesson.shape[batch_of][named])
    return loss


def train_tower(tower: VisionTower, steps: int, seed: int) -> None:
    """Teach the tower alone, in two courses with new heads; the second one begins with a smaller learning rate."""
    for course, share in enumerate((1.0, 0.7)):
        _teach(tower, steps // 2, random.Random(seed + course), share)


def _teach(tower: VisionTower, steps: int, source: random.Random, share: float) -> None:
    device = tower.row_break.device
    heads = Heads(tower.project_out.out_features).to(device)
    optimizers = Optimizers({"tower": tower, "heads": heads}, muon=0.02, adam=2e-3)
    begun, right, seen = time.monotonic(), [0.0, 0.0], 0
    for step in range(steps):
        lesson = draw_lesson(source).to(device)
        seen += len(lesson.images)
        with torch.autocast(device.type, torch.bfloat16):
            whole, each = heads(tower(lesson.images))
        optimizers.step(judge(whole, each, lesson), share * warm_then_decay(step, steps))
        for number, wanted in enumerate((lesson.shape, lesson.color)):
            asked = wanted != _NOTHING
            if asked.any():
                hit = (whole[number].argmax(-1) == wanted)[asked].float().mean().item()
                right[number] += 0.02 * (hit - right[number])
        if step % 100 == 0:
            shape, color = right
            print(f"tower {step}: shape {shape:.2f}, colour {color:.2f}, {seen} pictures, "
                  f"{time.monotonic() - begun:.0f} s", flush=True)  # fmt: skip
