"""Scripts that train the shipped demo models from the synthetic shop; nothing here runs when the product runs."""
