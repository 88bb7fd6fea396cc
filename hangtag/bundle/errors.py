"""What is wrong with a bundle."""


class BundleError(ValueError):
    """A bundle cannot be read or written; the message names the folder, the file and what to do."""
