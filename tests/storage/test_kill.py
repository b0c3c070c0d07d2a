from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.core.messages import MessageState
from app.storage.opening import open_store

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("n_pieces", [1, 7, 60])
def test_after_a_kill_in_mid_answer_everything_that_was_saved_is_there(database_path: Path, n_pieces: int) -> None:
    command = [sys.executable, "-m", "tests.storage.growing_child", str(database_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(n_pieces)]
    child.kill()
    acknowledged += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.stdout.close()
    assert child.wait() != 0

    store, notice = open_store(database_path)
    with closing(store):
        assert notice is None
        (summary,) = store.list_conversations()
        question, answer = store.load(summary.id).messages
        assert question.text == "Count!"
        assert answer.state is MessageState.INTERRUPTED
        numbers = [int(word) for word in answer.text.split()]
        assert numbers == list(range(len(numbers)))
        # One piece may be on disk that the child had no time to report.
        assert len(numbers) - len(acknowledged) in {0, 1}
        assert answer.reasoning.split() == [f"r{number}" for number in numbers]
        assert store.list_conversations("Killed") == (summary,)
        assert store.list_conversations(str(acknowledged[-1])) == (summary,)
        assert store.settle() == 0  # it is an ordinary message from now on
