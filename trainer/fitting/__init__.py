"""The network, its loss and the training loop."""
