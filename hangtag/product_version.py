"""The number that says which of two states of a product is newer."""

# What 8 bytes hold in order, and an int64 of the protos.
MAX_VERSION = 2**63 - 1
