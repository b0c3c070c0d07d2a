"""Conversations and pictures on disk: SQLite, attachments, migrations, export."""
