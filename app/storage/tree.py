"""Walks through a conversation's tree of messages; pure, and safe for trees that contradict themselves."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.messages import Conversation, Message

NO_LEAF = ""


def branch_to(messages: Sequence[Message], leaf_id: str | None) -> tuple[Message, ...]:
    """Return the messages from the first one to the leaf; where that is unknown, to the newest message.

    `messages` are oldest first. `NO_LEAF` gives the empty branch.
    """
    if leaf_id == NO_LEAF:
        return ()
    by_id = {message.id: message for message in messages}
    current = by_id.get(leaf_id or "") or (messages[-1] if messages else None)
    branch: list[Message] = []
    while current is not None:
        branch.append(current)
        del by_id[current.id]  # a parent that comes up again would never end
        current = by_id.get(current.parent_id or "")
    return tuple(reversed(branch))


def versions_of(messages: Sequence[Message], branch: Sequence[Message]) -> dict[str, tuple[str, ...]]:
    """Return, for each message of `branch` that has versions beside it, the ids of them all, oldest first."""
    by_parent: dict[str | None, list[str]] = {}
    for message in messages:
        by_parent.setdefault(message.parent_id, []).append(message.id)
    siblings = {message.id: tuple(by_parent[message.parent_id]) for message in branch}
    return {message_id: ids for message_id, ids in siblings.items() if len(ids) > 1}


def oldest_first(conversation: Conversation, others: Sequence[Message]) -> tuple[Message, ...]:
    """Return all messages of a conversation, each after the one it follows and after its older versions.

    `others` are those off the branch, in such an order already.
    """
    places = {message.id: place for place, message in enumerate(others)}
    ordered: list[Message] = []
    n_taken = 0
    for message in conversation.messages:
        version_ids = conversation.versions.get(message.id, (message.id,))
        older_ids = version_ids[: version_ids.index(message.id)]
        end = max((places[older_id] + 1 for older_id in older_ids if older_id in places), default=0)
        ordered += (*others[n_taken:end], message)
        n_taken = max(n_taken, end)
    return (*ordered, *others[n_taken:])


def newest_below(messages: Sequence[Message], start: Message) -> Message:
    """Return the end of the newest branch that goes through `start`."""
    newest_child = {message.parent_id: message for message in messages if message.parent_id is not None}
    current = start
    visited = {start.id}
    while (child := newest_child.get(current.id)) is not None and child.id not in visited:
        visited.add(child.id)
        current = child
    return current
