"""The table of a run."""

from typing import Any

from rich.console import Console
from rich.table import Table

# What the figures should be: (key, text, bar, whether more is better).
_BARS = (
    ("single_over_empty_aio", "native single look-ups over the empty grpc.aio handler", 6.0, True),
    ("grpcio_single_over_empty_aio", "grpcio single look-ups over the empty grpc.aio handler", 0.75, True),
    ("single_over_empty_aio_by_cpu", "the same by processor time, native", 6.0, True),
    ("grpcio_single_over_empty_aio_by_cpu", "the same by processor time, grpcio", 0.75, True),
    ("batch100_products_per_s", "products/s in batches of 100, native", 250_000, True),
    ("two_processes_over_one", "processor time for each call, two processes over one", 1.1, False),
)


def report(result: dict[str, Any]) -> None:
    """Print the figures beside their bars."""
    table = Table("what", "figure", "bar", title="The server on one core")
    for key, text, bar, more_is_better in _BARS:
        met = result[key] >= bar if more_is_better else result[key] <= bar
        table.add_row(text, f"{result[key]:,}", f"{'≥' if more_is_better else '≤'} {bar:,}{'' if met else ' (missed)'}")
    for kind, rates in result["most_per_s"].items():
        for key, text in (("calls_per_s", "most calls/s"), ("cpu_us_per_call", "processor time of a call, µs")):
            table.add_row(f"{kind}: {text}", ", ".join(f"{name} {value:,}" for name, value in rates[key].items()), "")
    for kind, each in result["p99_ms"].items():
        bar = {"single": "≤ 5", "batch100": "≤ 10", "short_text": "≤ 25"}[kind]
        table.add_row(f"{kind}: p99 ms at half load", ", ".join(f"{name} {value}" for name, value in each.items()), bar)
    for name, over in result["over_plain"].items():
        for key, text in (("calls_per_s", "calls/s"), ("cpu_us_per_call", "processor time of a call")):
            figures = ", ".join(f"{kind} {value}" for kind, value in over[key].items())
            table.add_row(f"{name}: {text} over plain", figures, "")
    connections = ", ".join(f"{name} {value:,}" for name, value in result["new_connections"]["per_s"].items())
    table.add_row("new connections/s", connections, "")
    memory = ", ".join(f"{name} {value}" for name, value in result["memory_mb"].items())
    table.add_row("memory, MB", memory, "≤ 300")
    for name, rows in result["overload"].items():
        burst = rows["burst"]
        lost = burst["neither_answered_nor_refused"] + burst["refused_uncounted"]
        table.add_row(f"{name}: 10,000 calls at once, not answered and not refused by us", str(lost), "0")
        for what, row in rows.items():
            if what != "burst":
                bar = "≤ 20" if what == "single_beside_400_of_1000_ids" else ""
                table.add_row(f"{name}: {what.replace('_', ' ')}, p99 ms", str(row["p99_ms"]), bar)
    Console(width=140).print(table)
