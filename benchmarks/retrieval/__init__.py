"""How good the products are that a search by text finds: see `benchmarks/retrieval/run.py`."""
