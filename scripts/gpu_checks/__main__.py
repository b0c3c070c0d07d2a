"""Run one part: `python -m scripts.gpu_checks PART --folder DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.gpu_checks import experts, placing

PARTS = ("devices", "small", "overflow", "large", "fit")


def main() -> int:
    """Run the part that the command line names; return 1 where it found something wrong."""
    parser = argparse.ArgumentParser(prog="gpu_checks", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--down", choices=("ram", "vram"), default="ram")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    match options.part:
        case "devices":
            return placing.show_devices()
        case "small":
            return placing.compare_small(options.folder)
        case "overflow":
            return experts.check_overflow()
        case "large":
            return placing.load_large(options.folder, down_in_vram=options.down == "vram")
        case _:
            return placing.load_as_fit_wants(options.folder)


if __name__ == "__main__":
    sys.exit(main())
