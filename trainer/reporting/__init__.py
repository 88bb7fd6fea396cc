"""The report of a run: one page for the people who use its tags and for those who have to trust it."""
