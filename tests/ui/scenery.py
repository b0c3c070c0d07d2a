"""The scenery of the window's tests: a service that records, and values to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QApplication

from app.core.events import Event, Publish
from app.core.facts import DevicePlan, Gpu, Hardware, HostPlan, Offer, Plan
from app.core.messages import ConversationSummary, Message, MessageState, Picture, Role, Text
from app.ui.application import Shell

GIB = 1024**3
NOW = datetime.now(UTC)


class RecordingService:
    """Remember what was asked, in order; answer nothing."""

    def __init__(self, publish: Publish) -> None:
        self.publish = publish
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def record(*args: Any, **named: Any) -> None:
            self.calls.append((name, *args, *named.items()))

        return record

    @property
    def library(self) -> RecordingService:
        return self  # what is asked of it has names of its own

    def picture_path(self, picture: Picture) -> Path:
        return Path("/nowhere") / picture.sha256

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


class Stage:
    """The whole window on a recording service."""

    def __init__(self, shell: Shell, services: list[RecordingService]) -> None:
        self.shell = shell
        self.window = shell.window
        self.session = shell.session
        self._services = services

    @property
    def service(self) -> RecordingService:
        return self._services[0]

    def show(self, *events: Event) -> None:
        """Publish events and let the window show them."""
        for event in events:
            self.shell.presenter.publish(event)
        QApplication.processEvents()


MakeStage = Callable[..., Stage]


def summary(conversation_id: str, title: str, days_old: float = 0, *, pinned: bool = False) -> ConversationSummary:
    when = NOW - timedelta(days=days_old)
    return ConversationSummary(conversation_id, title, when, when, pinned)


def picture(name: str = "plot.png") -> Picture:
    return Picture("a" * 64, name, "image/png", 1540, 1540, 3080)


def question(text: str = "Why?", conversation_id: str = "c1", message_id: str = "q1") -> Message:
    return Message(message_id, conversation_id, None, Role.USER, (Text(text),), NOW)


def answer(
    text: str = "",
    conversation_id: str = "c1",
    message_id: str = "a1",
    state: MessageState = MessageState.GROWING,
) -> Message:
    parts = (Text(text),) if text else ()
    return Message(message_id, conversation_id, "q1", Role.ASSISTANT, parts, NOW, state)


def hardware() -> Hardware:
    gpus = (
        Gpu("RTX 4090", "00000000:01:00.0", "u1", 24 * GIB, 21 * GIB, drives_display=True),
        Gpu("RTX 3090", "00000000:02:00.0", "u2", 24 * GIB, 23 * GIB, drives_display=False),
    )
    return Hardware(gpus, 96 * GIB, 80 * GIB, "Ryzen 9", 32, ("The second card has no driver.",))


def plan() -> Plan:
    devices = (DevicePlan("RTX 4090", "00000000:01:00.0", 20 * GIB, 16 * GIB, GIB, GIB, GIB),)
    host = HostPlan(25 * GIB, 26 * GIB)
    return Plan(True, 32768, 99, (36,), (), devices, host, ("The experts of 12 layers stay in RAM.",))


def offer(offer_id: str = "small", *, fits: bool = True, total_bytes: int = 72_600_000_000) -> Offer:
    return Offer(
        id=offer_id,
        title=f"Model {offer_id}",
        repository="maker/model",
        revision="main",
        quantization="Q4_K_M",
        description="Sees pictures.",
        licence="Apache 2.0",
        files=("model.gguf",),
        total_bytes=total_bytes,
        exact=True,
        fits=fits,
        fit="Fits into both cards.",
    )
