"""The models that are loaded: a small one, and Mistral Small 4 at full size, of zeros with random routers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gguf import GGUFReader
from model_files import recipes

_ROUTER_SIZE = 0.02


def make_small(folder: Path) -> Path:
    """Return a small model with random weights."""
    path = folder / "mini-Q4_K_M.gguf"
    return path if path.exists() else recipes.make_small(folder, recipes.SmallModel())[0]


def make_large(folder: Path) -> Path:
    """Return the full-size model; it takes some 80 MB of disk, and all 67 GiB are read as they would be.

    Random routers choose other experts for every token, as a real model does: with routers of zeros the same four
    would be used again and again.
    """
    path = folder / "Mistral-Small-4-119B-2603-Q4_K_M.gguf"
    if path.exists():
        return path
    unfinished = folder / "unfinished"
    unfinished.mkdir(exist_ok=True)
    (made,) = recipes.make_header(unfinished)
    fill_routers(made)
    made.replace(path)
    return path


def fill_routers(path: Path, seed: int = 1) -> int:
    """Write random numbers into the routers and the embedding's first rows; return how many tensors were filled."""
    places = [
        (int(tensor.data_offset), int(tensor.n_elements))
        for tensor in GGUFReader(path).tensors
        if ".ffn_gate_inp." in tensor.name or tensor.name.endswith("norm.weight")
    ]
    generator = np.random.default_rng(seed)
    with path.open("r+b") as stream:
        for offset, count in places:
            stream.seek(offset)
            stream.write((generator.standard_normal(count) * _ROUTER_SIZE).astype("<f4").tobytes())
    return len(places)
