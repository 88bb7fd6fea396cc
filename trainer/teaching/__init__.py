"""Learning from teachers, which are finished bundles: soft targets, and pseudo-labels for unlabelled products."""
