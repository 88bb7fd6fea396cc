"""Adding tags to a bundle without training its encoder."""
