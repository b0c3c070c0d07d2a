"""Grow an answer until killed: opens the database argv[1], says on stdout how many pieces are on disk."""

from __future__ import annotations

import sys
from pathlib import Path

from app.core.messages import MessageState, Role
from app.storage.opening import open_store
from tests.storage.samples import message


def main() -> None:
    store, _ = open_store(Path(sys.argv[1]))
    conversation_id = store.create_conversation("Killed").id
    question = message(conversation_id, "Count!", id="question")
    growing = message(conversation_id, "", question, Role.ASSISTANT, id="answer", state=MessageState.GROWING)
    store.add_message(question)
    store.add_message(growing)
    for number in range(1_000_000):
        store.grow("answer", f"{number} ", f"r{number} ")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
