"""New tags for a bundle without training its encoder."""
