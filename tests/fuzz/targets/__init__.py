"""One module a target. Each has `target(data)`, which raises for a broken contract, and `SEEDS`, valid and hostile.

`target` returns the name of the outcome, so that a run can say how many different ones its inputs led to.
"""
