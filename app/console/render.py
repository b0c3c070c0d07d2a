"""`solo render`: the tokens of a conversation, for a person who wants to know what the model reads."""

from __future__ import annotations

import json
from pathlib import Path

from app.engine.render import render_file


def print_tokens(model: Path, conversation: Path) -> None:
    """Print the tokens and the text of the conversation's prompt as one line of JSON. Raises AppError."""
    # ASCII only, so that it comes through whatever the terminal or the pipe takes for text.
    print(json.dumps(render_file(model, conversation), separators=(",", ":")), flush=True)
