"""Ask the engine for the tokens of a conversation, in a process that ends at once."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.core.errors import EngineCrashed, EngineUnavailable
from app.engine.endings import Ending, explain
from app.engine.process import child_environment, engine_command
from app.engine.wire import WireError, error_from_json

log = logging.getLogger(__name__)

_TIMEOUT_S = 300.0


def render_file(model: Path, conversation: Path, command: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the "tokens" and the "text" of the conversation in a JSON file, for the model at `model`.

    Only the model's vocabulary is loaded. Raises AppError.
    """
    call = [*(command or engine_command()), "--render", str(model), str(conversation)]
    try:
        done = subprocess.run(
            call,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as cause:
        raise EngineCrashed("The engine took too long over this conversation. Check both files.") from cause
    except OSError as cause:
        raise EngineUnavailable("The engine could not be started. Install the program again.") from cause
    if done.returncode != 0:
        tail = done.stderr.decode("utf-8", "replace")[-4000:]
        log.info("the engine ended with code %s\n%s", done.returncode, tail)
        raise explain(Ending(done.returncode, "", tail, babbled=False, greeted=True))
    return _parse(done.stdout)


def _parse(output: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(output)
        if isinstance(answer, dict) and answer.keys() == {"tokens", "text"}:
            return answer
        error = error_from_json(answer)
    except (ValueError, WireError) as cause:
        raise explain(Ending(0, "", "", babbled=True, greeted=True)) from cause
    raise error
