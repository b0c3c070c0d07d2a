"""What the soak is made of: a person who never tires, and a ledger of memory."""
