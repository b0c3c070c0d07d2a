"""Run every check on the tree, also after one has failed, and say which did."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = Path(sys.executable).parent
# The set-up and the checks themselves; the rest of the scripts needs libraries that are not installed here.
LINT = ("scripts/lint.py", "scripts/check_sizes.py", "scripts/check_tracked.py")
CHECKS: dict[str, tuple[str | Path, ...]] = {
    "format": (TOOLS / "ruff", "format", "--check", "."),
    "style": (TOOLS / "ruff", "check", "."),
    "types": (TOOLS / "mypy",),
    "types of scripts": (TOOLS / "mypy", "--explicit-package-bases", "scripts/bootstrap", *LINT),
    "types of packaging": (TOOLS / "mypy", "packaging"),
    "imports": (TOOLS / "lint-imports",),
    "sizes": (sys.executable, HERE / "check_sizes.py", "."),
    "tracked files": (sys.executable, HERE / "check_tracked.py", "."),
}


def main() -> int:
    """Run the checks and return 1 when one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=HERE.parent, help="the tree to check")
    parser.add_argument("--only", action="append", choices=CHECKS, help="run this check only")
    options = parser.parse_args()
    failed = [name for name in options.only or CHECKS if not _passes(name, options.root)]
    print(f"\nLint failed: {', '.join(failed)}" if failed else "\nLint passed.")
    return 1 if failed else 0


def _passes(name: str, root: Path) -> bool:
    print(f"\n== {name}", flush=True)
    command = [str(part) for part in CHECKS[name]]
    return subprocess.run(command, cwd=root, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
