"""Processes that tokenise: one interpreter cannot keep a GPU busy."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Self

from hangtag.tagger.encoded_texts import EncodedTexts
from hangtag.tagger.encoder import Encoder
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens

# Fewer texts are not worth a process.
_LEAST = 16
_OPEN_WITHIN_S = 120.0


class EncoderPoolError(OSError):
    """A process that tokenises ended: never the fault of a text."""


class EncoderPool:
    """`count` processes that tokenise. Any thread may call; close it at the end."""

    def __init__(self, encoder: Encoder, count: int) -> None:
        """Start the processes and wait until each has its copy of the encoder.

        Raises:
            EncoderPoolError: a process cannot start.
        """
        self._encoder, self._count = encoder, count
        # Not forked: the engine's runtime, and its device, belong to the process that opened them.
        context = multiprocessing.get_context("spawn")
        self._ready = context.Barrier(count + 1)
        self._pool = ProcessPoolExecutor(count, context, _open, (encoder, self._ready))
        try:
            for _ in range(count):
                self._pool.submit(_nothing)
            self._ready.wait(_OPEN_WITHIN_S)
        except (BrokenProcessPool, threading.BrokenBarrierError, OSError) as error:
            self.close()
            msg = f"the {count} processes that tokenise do not start; set model.encoders to 0 to do without them"
            raise EncoderPoolError(msg) from error

    def __call__(self, texts: Sequence[ProductText], kinds: Sequence[TextKind] | None = None) -> list[Tokens]:
        """The tokens of each text, in order; a few texts are tokenised in this process.

        `kinds` holds the kind of each text; without it, all are products.

        Raises:
            EncoderPoolError: a process ended.
        """
        share = max(_LEAST, -(-len(texts) // self._count))
        if len(texts) <= _LEAST:
            return self._encoder(texts, kinds)
        try:
            parts = [
                self._pool.submit(_encode, texts[start : start + share], kinds and kinds[start : start + share])
                for start in range(0, len(texts), share)
            ]
            return [tokens for part in parts for tokens in part.result().tokens()]
        except BrokenProcessPool as error:
            msg = "a process that tokenises ended, perhaps killed for lack of memory; restart, or lower model.encoders"
            raise EncoderPoolError(msg) from error

    def close(self) -> None:
        """End the processes. A second call does nothing."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_encoder: Encoder | None = None


def _open(encoder: Encoder, ready: threading.Barrier) -> None:
    """Runs first in each process."""
    global _encoder  # noqa: PLW0603 (what a process of the pool has is handed over once)
    _encoder = encoder
    # The process that started this one decides when it ends, also after Ctrl-C, which reaches all of them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The other cores have processes of their own.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ready.wait()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _nothing() -> None:
    """A first call for each process, which starts it."""


def _encode(texts: Sequence[ProductText], kinds: Sequence[TextKind] | None) -> EncodedTexts:
    assert _encoder is not None
    return EncodedTexts.of(_encoder(texts, kinds))
