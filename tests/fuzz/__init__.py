"""Bad input at every boundary: for any bytes, the shipped code gives a valid result or a clear error."""
