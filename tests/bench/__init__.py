"""``python -m tests.bench``: how fast the pipeline is, as ratios of numbers taken in the same minutes."""
