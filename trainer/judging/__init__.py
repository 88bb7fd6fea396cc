"""How good a bundle is: figures, calibration, thresholds."""
