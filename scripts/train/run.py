"""Train the built-in model: `python -m scripts.train.run OUT`.

First the tower learns to see, alone; then language and sight are learnt together. Everything is drawn from the seed.
Checkpoints are written to OUT and a run that was broken off goes on from the last one.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from scripts.model_files.vocabulary import load_tekken

from .batches import Batch, embed, stream
from .dimensions import TextDimensions, VisionDimensions
from .encoding import Encoder
from .network import EMBEDDING_SIZE, TextModel, VisionTower
from .optimizers import Optimizers, warm_then_decay
from .seeing import draw_lesson, train_tower
from .tasks import EVERYTHING

TOKENS_PER_STEP = 2048
LEARNED_PER_STEP = 600  # about as many of them are part of an answer
BALANCE = 0.01
_SAVE_EVERY = 500


def new_networks(device: str = "cpu") -> tuple[TextModel, VisionTower]:
    """Return both networks with fresh weights."""
    dims = TextDimensions()
    return TextModel(dims).to(device), VisionTower(VisionDimensions(), dims.width).to(device)


def see(tower: VisionTower, steps: int, seed: int) -> None:
    """Run the first stage, and give the tower's tokens the size of the embeddings they will stand between."""
    train_tower(tower, steps, seed)
    with torch.no_grad():
        tokens = tower(draw_lesson(random.Random(seed)).images.to(tower.row_break.device))
        tower.project_out.weight.mul_(EMBEDDING_SIZE / tokens.pow(2).mean().sqrt())


class Course:
    """Teach language, and sight with it, from checkpoint to checkpoint."""

    def __init__(self, checkpoint: Path, steps: int, seed: int, device: str) -> None:
        self._checkpoint, self._steps, self._seed, self._device = checkpoint, steps, seed, device
        self.model, self.tower = new_networks(device)
        networks = {"model": self.model, "tower": self.tower}
        self._optimizers = Optimizers(networks, adam=2e-3, tower=0.2)
        self._start = 0

    def run(self) -> None:
        """Train to the last step and leave the checkpoint."""
        if self._checkpoint.exists():
            self._resume()
        begun, smooth = time.monotonic(), 0.0
        encoder = Encoder(load_tekken(self.model.dims.vocabulary - 1000))
        batches = stream(encoder, self._seed + self._start, TOKENS_PER_STEP, EVERYTHING)
        for step, batch in zip(range(self._start, self._steps), batches, strict=False):
            loss, named = self._loss(batch)
            self._optimizers.step(loss, warm_then_decay(step, self._steps))
            smooth += (named - smooth) * (0.02 if step > self._start else 1.0)
            if step % 100 == 0:
                print(f"together {step}: loss {smooth:.4f}, {time.monotonic() - begun:.0f} s", flush=True)
            if (step + 1) % _SAVE_EVERY == 0 or step + 1 == self._steps:
                self._save(step + 1)

    def _loss(self, batch: Batch) -> tuple[Tensor, float]:
        with torch.autocast(self._device, torch.bfloat16):
            embedded = embed(self.model, self.tower, batch, self._device)
            positions = torch.arange(batch.ids.shape[1], device=self._device).expand_as(batch.ids)
            hidden, balance = self.model(embedded, positions)
            wanted = batch.targets >= 0
            logits = self.model.output(hidden[wanted.to(self._device)])
        losses = functional.cross_entropy(logits.float(), batch.targets[wanted].to(self._device), reduction="sum")
        # Not the mean: a batch of one long sample with ten tokens to learn would weigh as much as one with a thousand.
        return losses / LEARNED_PER_STEP + BALANCE * balance, losses.item() / int(wanted.sum())

    def _save(self, step: int) -> None:
        state = {"model": self.model.state_dict(), "tower": self.tower.state_dict(), "step": step}
        fresh = self._checkpoint.with_suffix(".new")
        torch.save({**state, "optimizers": self._optimizers.state()}, fresh)
        fresh.replace(self._checkpoint)

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, map_location=self._device)
        self.model.load_state_dict(state["model"])
        self.tower.load_state_dict(state["tower"])
        self._optimizers.restore(state["optimizers"])
        self._start = int(state["step"])


def main() -> None:
    """Train and leave `last.pt` in the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Train the built-in model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tower-steps", type=int, default=9000)
    parser.add_argument("--steps", type=int, default=7500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(options.seed)
    course = Course(options.folder / "last.pt", options.steps, options.seed + 1, device)
    seen = options.folder / "tower.pt"
    if not seen.exists():
        see(course.tower, options.tower_steps, options.seed)
        torch.save(course.tower.state_dict(), seen)
    course.tower.load_state_dict(torch.load(seen, map_location=device))
    course.run()


if __name__ == "__main__":
    main()
