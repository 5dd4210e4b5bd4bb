"""The synthetic shop: its listings, what its hosts say, how they sound, what a camera sees. Deterministic by seed."""
