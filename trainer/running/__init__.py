"""A training run, from the recipe to the bundle."""
