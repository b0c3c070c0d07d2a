"""What the window and the terminal call: turns, model loading, first-run tasks."""
