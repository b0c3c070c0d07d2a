"""Refuse functions, classes and files that have grown too long."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("app", "scripts", "packaging")
FUNCTION_LINES = 40
CLASS_LINES = 200
FILE_LINES = 400
FILE_LINES_AIM = 300


def main(root: Path) -> int:
    """Print every excess under `root` and return 1 when there is one; a file over the aim is only noted."""
    found = 0
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for excess in find_excesses(text):
                print(f"{path.relative_to(root)}: {excess}")
                found += 1
            lines = len(text.splitlines())
            if FILE_LINES_AIM < lines <= FILE_LINES:
                print(f"note: {path.relative_to(root)} has {lines} lines; the aim is {FILE_LINES_AIM}")
    return 1 if found else 0


def find_excesses(text: str) -> Iterator[str]:
    """Yield one line for each thing in this source that is over its limit."""
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield f"the file has {lines} lines; at most {FILE_LINES}"
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                limit = FUNCTION_LINES
            case ast.ClassDef():
                limit = CLASS_LINES
            case _:
                continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > limit:
            yield f"line {node.lineno}: {node.name} has {length} lines; at most {limit}"


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
