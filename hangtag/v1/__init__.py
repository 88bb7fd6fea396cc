"""Generated from protos/hangtag/v1 by `make protos`."""
