"""Start the engine's process.

Before any native library is loaded, the pipes to the parent are moved to private descriptors and standard
output is sent to standard error: whatever native code prints can then never reach the protocol. A thread
reads the pipe from the first moment on, so that the process ends with its parent even while it loads.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.engine.child.inbox import Inbox
from app.engine.child.pipe import Pipe, take_standard_streams
from app.engine.child.pulse import Pulse
from app.engine.child.ties import tie_to_parent
from app.engine.wire import EXIT_WITHOUT_LIBRARY, PROTOCOL_VERSION, Hello


def main(arguments: Sequence[str] = ()) -> int:
    """Serve the parent until it closes the pipe; with `--report` or `--render` only answer that on standard output.

    `--report` says what the engine is and has, `--render MODEL CONVERSATION` which tokens a conversation has.
    `--trial` lays the LoadRequest on standard input out without memory and says what it would take.
    Return 0, or EXIT_WITHOUT_LIBRARY when llama.cpp can't be loaded.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    if arguments:
        return _answer(arguments)
    pipe = take_standard_streams()
    tie_to_parent()
    pipe.send(Hello(PROTOCOL_VERSION, os.getpid()))
    inbox = Inbox(pipe)
    inbox.start()
    pulse = Pulse(pipe)
    pulse.start()
    return _serve(pipe, inbox, pulse)


def _serve(pipe: Pipe, inbox: Inbox, pulse: Pulse) -> int:
    try:
        # This loads the native libraries, which print; the streams must have been taken before.
        from app.engine.child.serving import serve  # noqa: PLC0415
    except (ImportError, OSError, RuntimeError):
        logging.getLogger(__name__).exception("llama.cpp can't be loaded")
        return EXIT_WITHOUT_LIBRARY
    serve(pipe, inbox, pulse)
    return 0


def _answer(arguments: Sequence[str]) -> int:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        from app.engine.child.rendered import write_rendered  # noqa: PLC0415 - as above
        from app.engine.child.report import write_report  # noqa: PLC0415
        from app.engine.child.trial import write_trial  # noqa: PLC0415
    except (ImportError, OSError, RuntimeError):
        logging.getLogger(__name__).exception("llama.cpp can't be loaded")
        return EXIT_WITHOUT_LIBRARY
    with out:
        match arguments:
            case ["--render", model, conversation]:
                write_rendered(Path(model), Path(conversation), out)
            case ["--trial"]:
                write_trial(sys.stdin.buffer, out)
            case _:
                write_report(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
