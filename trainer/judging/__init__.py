"""Evaluation of bundles and labels: figures, calibration, thresholds, label noise."""
