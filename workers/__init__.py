"""The Kafka consumers: poll -> batch -> encode -> forward -> write -> settle."""

from workers.in_use import TaggerInUse
from workers.lanes import Lanes, open_lanes
from workers.plan import Plan, Waiting, plan
from workers.program import work
from workers.sink import Reason, RecordSink, SinkError
from workers.source import Change, Polled, RecordSource, SourceError
from workers.tracker import Ticket, Tracker
from workers.worker import StageError, Worker

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
