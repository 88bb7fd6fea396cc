"""The Kafka consumers: poll -> batch -> encode -> forward -> write -> settle."""

from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.planner import Plan, Waiting, plan
from hangtag.workers.program import work
from hangtag.workers.sink import Reason, RecordSink, SinkError
from hangtag.workers.source import Change, Polled, RecordSource, SourceError
from hangtag.workers.threads import Lanes, open_lanes
from hangtag.workers.tracker import Ticket, Tracker
from hangtag.workers.worker import StageError, Worker

__all__ = [
    "Change",
    "Lanes",
    "Plan",
    "Polled",
    "Reason",
    "RecordSink",
    "RecordSource",
    "SinkError",
    "SourceError",
    "StageError",
    "TaggerInUse",
    "Ticket",
    "Tracker",
    "Waiting",
    "Worker",
    "open_lanes",
    "plan",
    "work",
]
