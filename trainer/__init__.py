"""Fine-tuning, thresholds and evaluation: labelled products in, a bundle out."""
