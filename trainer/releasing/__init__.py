"""The release gate: whether a bundle may replace the current one."""
