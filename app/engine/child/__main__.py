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

from app.engine.child.inbox import Inbox
from app.engine.child.pipe import Pipe, take_standard_streams
from app.engine.child.ties import tie_to_parent
from app.engine.wire import EXIT_WITHOUT_LIBRARY, PROTOCOL_VERSION, Hello


def main(arguments: Sequence[str] = ()) -> int:
    """Serve the parent until it closes the pipe; with `--report` only say what the engine is and has.

    Return 0, or EXIT_WITHOUT_LIBRARY when llama.cpp can't be loaded.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s")
    if "--report" in arguments:
        return _report()
    pipe = take_standard_streams()
    tie_to_parent()
    pipe.send(Hello(PROTOCOL_VERSION, os.getpid()))
    inbox = Inbox(pipe)
    inbox.start()
    return _serve(pipe, inbox)


def _serve(pipe: Pipe, inbox: Inbox) -> int:
    try:
        # This loads the native libraries, which print; the streams must have been taken before.
        from app.engine.child.serving import serve  # noqa: PLC0415
    except (ImportError, OSError, RuntimeError):
        logging.getLogger(__name__).exception("llama.cpp can't be loaded")
        return EXIT_WITHOUT_LIBRARY
    serve(pipe, inbox)
    return 0


def _report() -> int:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        from app.engine.child.report import write_report  # noqa: PLC0415 - as above
    except (ImportError, OSError, RuntimeError):
        logging.getLogger(__name__).exception("llama.cpp can't be loaded")
        return EXIT_WITHOUT_LIBRARY
    with out:
        write_report(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
