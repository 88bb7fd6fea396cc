"""The tag schema, and scores turned into tags."""
