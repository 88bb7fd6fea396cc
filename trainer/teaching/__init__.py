"""What finished bundles teach a new model: soft targets, and labels for products that have none."""
