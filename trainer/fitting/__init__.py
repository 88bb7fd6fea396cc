"""Fine-tuning: the network, its loss and the training loop."""
