"""Training: recipes that change weights."""
