"""The recipe of a training run and its settings."""
