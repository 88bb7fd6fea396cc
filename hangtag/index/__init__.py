"""The index of search: which products have which tags, in memory."""
