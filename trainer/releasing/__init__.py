"""Whether a bundle may take another one's place."""
