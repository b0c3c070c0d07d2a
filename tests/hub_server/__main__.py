"""Serve folders as Hub repositories: `python -m tests.hub_server owner/name=FOLDER ... [--fault ...]`.

Prints the endpoint (for HF_ENDPOINT) on one line and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.hub_server.faults import parse_fault
from tests.hub_server.server import HubServer


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.hub_server", description=__doc__)
    parser.add_argument("repositories", nargs="+", metavar="owner/name=FOLDER")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default="", help="what a reader must send; also makes the repositories gated")
    parser.add_argument("--fault", action="append", default=[], help="kind[,at=N,seconds=S,status=N,times=N,...]")
    arguments = parser.parse_args()
    with HubServer(arguments.port) as hub:
        for text in arguments.repositories:
            name, folder = text.split("=", 1)
            hub.add_folder(name, Path(folder))
            hub.repositories[name].token, hub.repositories[name].gated = (
                arguments.token,
                bool(arguments.token),
            )
        hub.script.add(*(parse_fault(text) for text in arguments.fault))
        sys.stdout.write(f"{hub.endpoint}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
