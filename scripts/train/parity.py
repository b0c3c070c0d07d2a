"""Write what PyTorch computes for a tiny random model: `python -m scripts.train.parity TARGET`.

The files let a test without PyTorch compare llama.cpp with it: for text, for text behind a picture, and beyond
position 8192, where the attention temperature sets in.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scripts.model_files.vocabulary import load_tekken

from .dimensions import TextDimensions, VisionDimensions
from .encoding import pixels
from .export import export_text, export_vision
from .network import TextModel, VisionTower

TEXT = TextDimensions(
    vocabulary=1280, width=64, layers=2, heads=4, q_lora=32, kv_lora=32, nope=16, rope=16, value=16, expert_width=32
)
VISION = VisionDimensions(width=64, layers=2, heads=2, feed_forward=96)
LONG, SHORT, COMPARED = 8256, 48, 4
PICTURE_SIZE = (112, 84)


def main() -> None:
    """Write `text.gguf`, `vision.gguf` and `expected.npz`."""
    parser = argparse.ArgumentParser(description="Write the fixture of the parity test.")
    parser.add_argument("target", type=Path)
    target = parser.parse_args().target
    target.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(4)
    model, tower = TextModel(TEXT), VisionTower(VISION, TEXT.width)
    for network in (model, tower):
        _draw_weights(network)
    with torch.no_grad():
        tower.project_out.weight *= 0.35  # rows of a picture about as large as those of a token
    export_text(model, load_tekken(TEXT.vocabulary - 1000), target / "text.gguf")
    export_vision(tower, target / "vision.gguf", half=False)
    source = np.random.default_rng(4)
    ids = source.integers(1000, TEXT.vocabulary, LONG)
    picture = source.integers(0, 256, (PICTURE_SIZE[1], PICTURE_SIZE[0], 3), dtype=np.uint8)
    with torch.no_grad():
        long_text, short_text = torch.from_numpy(ids), torch.from_numpy(ids[:SHORT])
        seen = _picture_rows(tower, picture)
        behind = torch.cat((model.embedding(short_text), seen, model.embedding(short_text)))
        np.savez_compressed(
            target / "expected.npz",
            ids=ids,
            picture=picture,
            text=_logits(model, model.embedding(short_text)),
            long_text=_logits(model, model.embedding(long_text)),
            embeddings=seen.numpy(),
            behind_picture=_logits(model, behind),
        )


def _draw_weights(network: torch.nn.Module) -> None:
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        else:
            torch.nn.init.normal_(parameter, mean=1.0, std=0.1)


def _picture_rows(tower: VisionTower, picture: np.ndarray) -> Tensor:
    tokens = tower(torch.from_numpy(pixels([Image.fromarray(picture)])))[0]
    rows = torch.cat((tokens, tower.row_break.expand(tokens.shape[0], 1, -1)), 1)
    return rows.flatten(0, 1)[:-1]


def _logits(model: TextModel, embedded: Tensor) -> np.ndarray:
    positions = torch.arange(len(embedded))[None]
    hidden, _ = model(embedded[None], positions)
    return model.output(hidden[0, -COMPARED:]).numpy()


if __name__ == "__main__":
    main()
