"""Whatever happens between two turns, an answer is the one that a context says which never read anything before."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.engine.child.model import OpenModel
from tests.engine.talks import (
    FAST,
    THINK,
    Talk,
    greedy_from_nothing,
    on_disk,
    one_by_one,
    open_here,
    written_to_disk,
)

pytestmark = pytest.mark.model

WORDS = ("river stone cloud " * 8, "Why?", "And what of the other one, then?", "no " * 30)


def test_any_sequence_of_turns_edits_switches_and_restarts(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.child.generation.pieces_of", one_by_one)
    reference = open_here(small_model)

    class Chats(RuleBasedStateMachine):
        @initialize(ram_states=st.sampled_from([0, 1, 100]))
        def start(self, ram_states: int) -> None:
            self.folder = Path(tempfile.mkdtemp(prefix="solo-states-"))
            self.states = on_disk(self.folder, ram_bytes=ram_states * 400_000)
            self.talks = {name: Talk(name) for name in "ab"}
            self.opened: OpenModel = open_here(small_model, states=self.states)

        @rule(name=st.sampled_from("ab"), text=st.sampled_from(WORDS), effort=st.sampled_from([FAST, THINK]))
        def ask(self, name: str, text: str, effort: Any) -> None:
            told = self.talks[name].ask(self.opened, text, effort=effort)
            assert told.tokens == greedy_from_nothing(reference, told.prompt)

        @rule(name=st.sampled_from("ab"), turns=st.integers(0, 2))
        def go_back(self, name: str, turns: int) -> None:
            self.talks[name].go_back(2 * turns)

        @rule()
        def rest(self) -> None:
            self.opened.recall.rest()

        @rule(name=st.sampled_from("ab"))
        def forget(self, name: str) -> None:
            self.opened.recall.forget(name)

        @rule()
        def restart(self) -> None:
            written_to_disk(self.opened)
            self.opened.close()
            self.opened = open_here(small_model, states=self.states)

        @rule()
        def die(self) -> None:
            self.opened.recall._is_dirty = False
            self.opened.close()
            self.opened = open_here(small_model, states=self.states)

        def teardown(self) -> None:
            if hasattr(self, "opened"):
                self.opened.close()
                shutil.rmtree(self.folder, ignore_errors=True)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis leaves it without types
        Chats,
        settings=settings(
            max_examples=6, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    reference.close()
