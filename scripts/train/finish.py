"""Turn a checkpoint into the files that ship: `python -m scripts.train.finish FOLDER TARGET [--cases N]`.

The files are judged by what they answer, and their SHA-256 and scores are written beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch

from scripts.model_files.vocabulary import load_tekken

from .export import export_quantized, export_vision
from .run import new_networks
from .score import Judge, score

TEXT_FILE, VISION_FILE, SCORES_FILE = "solo-mini-Q4_K_M.gguf", "mmproj-solo-mini.gguf", "scores.json"
JUDGED_SEED = 20_000


def export(checkpoint: Path, target: Path) -> tuple[Path, Path]:
    """Write both model files and return their paths."""
    model, tower = new_networks()
    state = torch.load(checkpoint, map_location="cpu")
    model.load_state_dict(state["model"])
    tower.load_state_dict(state["tower"])
    target.mkdir(parents=True, exist_ok=True)
    text, vision = target / TEXT_FILE, target / VISION_FILE
    export_quantized(model, load_tekken(model.dims.vocabulary - 1000), text)
    export_vision(tower, vision)
    return text, vision


def record(text: Path, vision: Path, cases: int) -> None:
    """Judge the files and write down what was found."""
    judge = Judge(text, vision)
    try:
        found = score(judge, cases, JUDGED_SEED)
    finally:
        judge.close()
    report = {
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (text, vision)},
        "seed": JUDGED_SEED,
        "scores": {name: {"right": one.right, "cases": one.cases} for name, one in found.items()},
    }
    (text.parent / SCORES_FILE).write_text(json.dumps(report, indent=1) + "\n")


def main() -> None:
    """Write the model files and their scores."""
    parser = argparse.ArgumentParser(description="Export and judge the built-in model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    options = parser.parse_args()
    record(*export(options.folder / "last.pt", options.target), options.cases)


if __name__ == "__main__":
    main()
