"""Make a small model file for tests, or the header of the big one; prints the paths it wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_files import recipes


def main() -> None:
    """Read the command line, make the files and print their paths."""
    wanted = _parse()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    for path in wanted.make(wanted.folder, wanted):
        print(path)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    small = kinds.add_parser("small", help="a small mistral4 model, Q4_K_M")
    small.set_defaults(make=lambda folder, wanted: recipes.make_small(folder, _small(wanted)))
    split = kinds.add_parser("split", help="the same in two parts")
    split.set_defaults(make=lambda folder, wanted: recipes.make_split(folder, _small(wanted)))
    for parsed in (small, split):
        parsed.add_argument("--unfused", action="store_true", help="gate and up experts in tensors of their own")
        parsed.add_argument("--full-vocabulary", action="store_true", help="all 131072 tokens")
        parsed.add_argument("--no-temperature-keys", action="store_true", help="like the files of the HF converter")
        parsed.add_argument("--thinks", action="store_true", help="a script instead of random weights")
    projector = kinds.add_parser("projector", help="a pixtral projector for it, F16")
    projector.set_defaults(make=lambda folder, wanted: recipes.make_projector(folder, wanted.seed))
    header = kinds.add_parser("header", help="the header of the 119B model in a sparse file")
    header.set_defaults(make=lambda folder, _wanted: recipes.make_header(folder))
    chatml = kinds.add_parser("chatml", help="a small qwen2 model with a ChatML template, Q4_K_M")
    chatml.set_defaults(make=lambda folder, wanted: recipes.make_chatml(folder, wanted.seed))
    for parsed in (small, split, projector, chatml):
        parsed.add_argument("--seed", type=int, default=1)
    for parsed in (small, split, projector, chatml, header):
        parsed.add_argument("folder", type=Path)
    return parser.parse_args()


def _small(wanted: argparse.Namespace) -> recipes.SmallModel:
    return recipes.SmallModel(
        seed=wanted.seed,
        fused=not wanted.unfused,
        full_vocabulary=wanted.full_vocabulary,
        temperature_keys=not wanted.no_temperature_keys,
        thinks=wanted.thinks,
    )


if __name__ == "__main__":
    main()
