"""Which settings, and which of several runs."""
