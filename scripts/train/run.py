"""Train the built-in model: `python -m scripts.train.run OUT [--steps N] [--vision-steps N] [--seed N]`.

First the tower alone learns to see, through a small head that is thrown away; then everything learns together.
Checkpoints are written to OUT every few hundred steps and a run goes on from the last one.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.model_files.vocabulary import load_tekken

from .batches import Batch, embed, stream
from .dimensions import TextDimensions, VisionDimensions
from .drawing import COLORS, SHAPES, SIDES, draw_scene
from .encoding import Encoder, pixels
from .network import TextModel, VisionTower
from .tasks import picture_size

TOKENS_PER_STEP = 2048
PICTURES_PER_STEP = 32
BALANCE = 0.01
_SAVE_EVERY = 500


class ProbeHead(nn.Module):
    """Look at all tokens of a picture and name shape, colour and side; used for the first stage only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Linear(width, 4)
        self.name = nn.Linear(4 * width, len(SHAPES) + len(COLORS) + len(SIDES))

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Return logits of shape, colour and side from [batch, rows, columns, width]."""
        flat = tokens.flatten(1, 2)
        weights = self.look(flat).softmax(1)
        pooled = torch.einsum("btk,btw->bkw", weights, flat).flatten(1)
        return self.name(pooled).split((len(SHAPES), len(COLORS), len(SIDES)), -1)


def warm_then_decay(step: int, steps: int, warm: int = 100) -> float:
    """Return the learning rate's factor: up over `warm` steps, full until 60 %, then linearly to nothing."""
    return min(1.0, (step + 1) / warm, max(0.0, (steps - step) / (0.4 * steps)))


def train_tower(tower: VisionTower, steps: int, seed: int) -> None:
    """Teach the tower alone."""
    head = ProbeHead(tower.project_out.out_features)
    parameters = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.01)
    source = random.Random(seed)
    begun, right = time.monotonic(), [0.0, 0.0, 0.0]
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * warm_then_decay(step, steps)
        images, wanted = _probe_batch(source, easy=step < steps // 3)
        with torch.autocast("cpu", torch.bfloat16):
            logits = head(tower(images))
        losses = [
            functional.cross_entropy(part.float(), goal, ignore_index=-1)
            for part, goal in zip(logits, wanted, strict=True)
            if (goal >= 0).any()
        ]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        for number, (part, goal) in enumerate(zip(logits, wanted, strict=True)):
            if (goal >= 0).any():
                hit = (part.argmax(-1) == goal)[goal >= 0].float().mean().item()
                right[number] += 0.02 * (hit - right[number])
        if step % 100 == 0:
            names = zip(("shape", "colour", "side"), right, strict=True)
            print(step, *(f"{name} {share:.2f}" for name, share in names), _per_second(step, begun), flush=True)


def _probe_batch(source: random.Random, *, easy: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
    with_side = not easy and source.random() < 0.35
    size = (112, 112) if easy else picture_size(source)
    if with_side:
        size = (max(size[0], 84), max(size[1], 84))
    count = max(8, min(64, PICTURES_PER_STEP * 112 * 112 // (size[0] * size[1])))
    images, goals = [], []
    for _ in range(count):
        image, scene = draw_scene(source, size, with_side=with_side, large=easy)
        images.append(torch.from_numpy(pixels(image)))
        side = SIDES.index(scene.side) if scene.side else -1
        shape = -1 if scene.side else SHAPES.index(scene.shape)  # a mark may be a few pixels wide
        goals.append((shape, list(COLORS).index(scene.color), side))
    return torch.stack(images), torch.tensor(goals).unbind(-1)


def train_together(model: TextModel, tower: VisionTower, encoder: Encoder, folder: Path, steps: int, seed: int) -> None:
    """Teach language and sight together, going on from a checkpoint if there is one."""
    optimizer = torch.optim.AdamW(_groups(model, tower), lr=2e-3, betas=(0.9, 0.95))
    start = _resume(model, tower, optimizer, folder)
    begun, smooth = time.monotonic(), 0.0
    for step, batch in zip(range(start, steps), stream(encoder, seed + start, TOKENS_PER_STEP), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * warm_then_decay(step, steps)
        loss = _loss(model, tower, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([*model.parameters(), *tower.parameters()], 1.0)
        optimizer.step()
        smooth += (loss.item() - smooth) * (0.02 if step > start else 1.0)
        if step % 100 == 0:
            print(step, f"loss {smooth:.4f}", _per_second(step - start, begun), flush=True)
        if (step + 1) % _SAVE_EVERY == 0 or step + 1 == steps:
            _save(model, tower, optimizer, folder, step + 1)


def _loss(model: TextModel, tower: VisionTower, batch: Batch) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        embedded = embed(model, tower, batch)
        positions = torch.arange(batch.ids.shape[1]).expand_as(batch.ids)
        hidden, balance = model(embedded, positions)
        wanted = batch.targets >= 0
        logits = model.output(hidden[wanted])
    return functional.cross_entropy(logits.float(), batch.targets[wanted]) + BALANCE * balance


def _groups(model: TextModel, tower: VisionTower) -> list[dict[str, object]]:
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        (others if parameter.dim() < 2 or "embedding" in name else matrices).append(parameter)
    return [
        {"params": matrices, "peak": 2e-3, "weight_decay": 0.05},
        {"params": others, "peak": 2e-3, "weight_decay": 0.0},
        {"params": list(tower.parameters()), "peak": 4e-4, "weight_decay": 0.0},
    ]


def _save(model: TextModel, tower: VisionTower, optimizer: torch.optim.Optimizer, folder: Path, step: int) -> None:
    state = {"model": model.state_dict(), "tower": tower.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "step": step}, folder / "new.pt")
    (folder / "new.pt").replace(folder / "last.pt")


def _resume(model: TextModel, tower: VisionTower, optimizer: torch.optim.Optimizer, folder: Path) -> int:
    if not (folder / "last.pt").exists():
        return 0
    state = torch.load(folder / "last.pt")
    model.load_state_dict(state["model"])
    tower.load_state_dict(state["tower"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _per_second(steps: int, begun: float) -> str:
    return f"{steps / max(1e-9, time.monotonic() - begun):.2f} steps/s"


def main() -> None:
    """Train and leave `last.pt` in the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Train the built-in model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("--vision-steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    dims = TextDimensions()
    model, tower = TextModel(dims), VisionTower(VisionDimensions(), dims.width)
    encoder = Encoder(load_tekken(dims.vocabulary - 1000))
    seen = options.folder / "tower.pt"
    if not seen.exists():
        train_tower(tower, options.vision_steps, options.seed)
        torch.save(tower.state_dict(), seen)
    tower.load_state_dict(torch.load(seen))
    train_together(model, tower, encoder, options.folder, options.steps, options.seed)


if __name__ == "__main__":
    main()
