"""How the built-in model is made: its data, its network, its training and its export."""
