"""Turn a checkpoint into the files that ship: `python -m scripts.train.finish FOLDER TARGET`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from scripts.model_files.vocabulary import load_tekken

from .dimensions import TextDimensions, VisionDimensions
from .export import export_quantized, export_vision
from .network import TextModel, VisionTower


def main() -> None:
    """Write `solo-mini-Q4_K_M.gguf` and `mmproj-solo-mini.gguf`."""
    parser = argparse.ArgumentParser(description="Export the built-in model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    dims = TextDimensions()
    model, tower = TextModel(dims), VisionTower(VisionDimensions(), dims.width)
    state = torch.load(options.folder / "last.pt", map_location="cpu")
    model.load_state_dict(state["model"])
    tower.load_state_dict(state["tower"])
    options.target.mkdir(parents=True, exist_ok=True)
    vocabulary = load_tekken(dims.vocabulary - 1000)
    export_quantized(model, vocabulary, options.target / "solo-mini-Q4_K_M.gguf")
    export_vision(tower, options.target / "mmproj-solo-mini.gguf")


if __name__ == "__main__":
    main()
