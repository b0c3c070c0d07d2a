"""What can be made: one function per kind of file, each of which writes into a folder and returns the paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf

from .chatml import write_chatml
from .header import write_header
from .projector import write_projector
from .quantizer import quantize
from .scripted import scripted_tensors
from .splitter import split_model
from .text_model import ARCH, SMALL, add_metadata, add_vocabulary, random_tensors, write_model
from .vocabulary import FULL_RANKS, MIDDLE_RANKS, SMALL_RANKS, load_tekken


@dataclass(frozen=True)
class SmallModel:
    """Say which small model to make; `thinks` builds the weights by hand, so that `seed` does nothing."""

    seed: int = 1
    fused: bool = True
    full_vocabulary: bool = False
    temperature_keys: bool = True
    thinks: bool = False


def make_small(folder: Path, wanted: SmallModel) -> list[Path]:
    """Make a small `mistral4` model, quantized to Q4_K_M."""
    ranks = FULL_RANKS if wanted.full_vocabulary else MIDDLE_RANKS if wanted.thinks else SMALL_RANKS
    vocabulary = load_tekken(ranks)
    writer = gguf.GGUFWriter(None, ARCH)
    name = "Scripted Mistral 4" if wanted.thinks else "Mini Mistral 4"
    add_metadata(writer, SMALL, vocabulary.size, name=name, temperature_keys=wanted.temperature_keys)
    add_vocabulary(writer, vocabulary)
    tensors = (
        scripted_tensors(vocabulary, fused=wanted.fused)
        if wanted.thinks
        else random_tensors(SMALL, vocabulary, seed=wanted.seed, fused=wanted.fused)
    )
    unquantized = folder / "unquantized.gguf.tmp"
    write_model(unquantized, writer, tensors)
    return [_quantized(unquantized, folder / f"{'thinks' if wanted.thinks else 'mini'}-Q4_K_M.gguf")]


def make_projector(folder: Path, seed: int) -> list[Path]:
    """Make a projector for the small models, in F16."""
    path = folder / "mmproj-mini-F16.gguf"
    write_projector(path, seed=seed)
    return [path]


def make_header(folder: Path) -> list[Path]:
    """Make the sparse header of the full-size model."""
    path = folder / "Mistral-Small-4-119B-2603-Q4_K_M.gguf"
    write_header(path)
    return [path]


def make_split(folder: Path, wanted: SmallModel) -> list[Path]:
    """Make a small model in two parts."""
    (whole,) = make_small(folder, wanted)
    parts = split_model(whole, folder, whole.stem)
    whole.unlink()
    return parts


def make_chatml(folder: Path, seed: int) -> list[Path]:
    """Make a small `qwen2` model with a ChatML template, quantized to Q4_K_M."""
    unquantized = folder / "unquantized.gguf.tmp"
    write_chatml(unquantized, seed=seed)
    return [_quantized(unquantized, folder / "chatml-Q4_K_M.gguf")]


def _quantized(unquantized: Path, target: Path) -> Path:
    quantize(unquantized, target)
    unquantized.unlink()
    return target
