"""`hangtag predict`: the tags of a file's products, without broker, store and server."""

from hangtag.cli.predict.command import predict

__all__ = ["predict"]
