"""The Kafka consumers: poll -> decode -> encode -> batch -> forward -> write -> settle."""

from hangtag.workers.program import work
from hangtag.workers.source import Change, Poll, RecordSource, SourceError, Unreadable
from hangtag.workers.threads import StageThreads, open_threads
from hangtag.workers.tracker import Ticket, Tracker
from hangtag.workers.worker import StageError, Worker

__all__ = [
    "Change",
    "Poll",
    "RecordSource",
    "SourceError",
    "StageError",
    "StageThreads",
    "Ticket",
    "Tracker",
    "Unreadable",
    "Worker",
    "open_threads",
    "work",
]
