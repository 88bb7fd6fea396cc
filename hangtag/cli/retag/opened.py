"""What every command of `hangtag retag` opens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from kafka.errors import KafkaError

from hangtag.cli.errors import CommandError
from hangtag.cli.retag.priority import give_way
from hangtag.cli.stopping import Stopped
from hangtag.cli.topic import reason_of
from hangtag.settings import Settings
from hangtag.store import ProgressReader, RetagStore, StoreError
from hangtag.telemetry import configure_logs
from hangtag.workers.retag import settle
from hangtag.workers.retrying_store import RetryingStore
from hangtag.write import KafkaSink, SinkError

_TRY_FOR_S = 30


class Opened(NamedTuple):
    """The store, the same tried again for a while, the sink, and what workers say of their progress."""

    kept: RetagStore
    store: RetryingStore
    sink: KafkaSink
    progress: ProgressReader


@contextmanager
def opened(settings: Settings, command: str) -> Iterator[Opened]:
    """Open the parts, and give way to all other processes of this machine.

    Raises:
        CommandError: Kafka or the store does not answer, also for long within the block; the message says what to do.
    """
    # To standard error, and what needs attention alone: the progress says the rest.
    configure_logs(settings.log.model_copy(update={"level": "warning"}), "retag")
    give_way()
    give_up = threading.Event()
    kept, sink, progress = RetagStore(settings.redis), KafkaSink(settings.kafka, "hangtag-retag"), None
    try:
        progress = ProgressReader(settings.redis)
        kept.check()
        try:
            yield Opened(kept, RetryingStore(kept, _TRY_FOR_S, give_up), sink, progress)
        except Stopped:
            # So that nothing is left to correct, if the command is not run again.
            with suppress(StoreError, SinkError):
                settle(kept, kept, sink)
            raise
    except (StoreError, SinkError, KafkaError) as error:
        reason = reason_of(error) if isinstance(error, KafkaError) else str(error)
        msg = f"{reason}. Then run `{command}` again: it goes on where it stopped"
        raise CommandError(msg) from error
    finally:
        give_up.set()
        sink.close()
        kept.close()
        if progress is not None:
            progress.close()
