"""Refuse tracked files that name a package registry or a path of this machine, and locks without hashes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Written so that this file does not name them itself.
REGISTRY = re.compile(
    r"\bpypi[.]org|pythonhosted[.]org|(?:deb|security|snapshot)[.]debian[.]org|archive[.]ubuntu[.]com"
    r"|registry[.]npmjs|proxy[.]golang[.]org|static[.]crates[.]io|files[.]pythonhosted",
    re.IGNORECASE,
)
LOCKED = re.compile(r"^[a-z0-9][a-z0-9._-]*==\S+")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def main(root: Path) -> int:
    """Print every finding under `root` and return 1 when there is one."""
    found = 0
    own_paths = find_own_paths(root, Path.home())
    for path in list_files(root):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = path.relative_to(root)
        findings = list(find_addresses(text, own_paths))
        if name.parent == Path("requirements"):
            findings += find_lock_faults(text)
        for finding in findings:
            print(f"{name}: {finding}")
        found += len(findings)
    return 1 if found else 0


def list_files(root: Path) -> list[Path]:
    """Return the files git tracks or would add under `root`."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    paths = (root / name for name in sorted(set(listing.split("\0"))) if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def find_own_paths(*folders: Path) -> re.Pattern[str]:
    """Return a pattern for these absolute folders of this machine."""
    names = (re.escape(folder.resolve().as_posix()) for folder in folders if len(folder.resolve().parts) > 1)
    return re.compile(rf"(?<![\w.~-])(?:{'|'.join(names) or '(?!)'})(?![\w.-])")


def find_addresses(text: str, own_paths: re.Pattern[str]) -> Iterator[str]:
    """Yield one line for each registry or own path named in this text."""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := REGISTRY.search(line):
            yield f"line {number} names the package registry {found[0]}"
        if found := own_paths.search(line):
            yield f"line {number} names a path of this machine, {found[0]}"


def find_lock_faults(text: str) -> Iterator[str]:
    """Yield one line for each entry of a lock that is not pinned by hash, and for each address."""
    for entry in text.replace("\\\n", " ").splitlines():
        if "://" in entry or entry.startswith("-"):
            yield f"an address or option in a lock: {entry.strip()[:80]}"
        elif entry.strip() and not entry.startswith("#") and not (LOCKED.match(entry) and HASH.search(entry)):
            yield f"not pinned by hash: {entry.split()[0]}"


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]).resolve()))
