"""Labelled products: reading, checking, splitting, augmenting and tokenising them."""
