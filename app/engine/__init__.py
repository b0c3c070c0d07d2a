"""The language model in a child process, and what it is asked and answers."""
