"""Which devices there are, what is free on them, and where a model's tensors should go."""
