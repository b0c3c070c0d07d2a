"""The message column of a chat."""
