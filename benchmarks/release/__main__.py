"""A release under load: from one bundle to another, all products tagged again, and back.

    make bench-release            # QUICK=1: within 9 minutes

Starts a broker (Apache Kafka where KAFKA_HOME names a release), a cache, a worker and a server on this machine. While
callers look products up and a shop changes them, a bundle with other weights is promoted, the catalogue is tagged
again, the release is rolled back, and the tags are put back. Every answer is compared with what the bundle that it
names says about the text. Writes benchmarks/results/release.json.

    failed                look-ups and suggestions that got an error
    mixed                 answers with tags that are not those of the bundle they name, and batches of two bundles
    seconds_to_all        from the decision until worker and server use the other bundle; seconds_back: of the rollback
    peak_mb               most memory of each program while it changed over; before_mb: just before
    retag_cpu_ms          CPU time of `hangtag retag` for each product, its start included
    live_freshness_ratio  p99 from an event to its tags while the re-tag runs, against turns in which it stands still
    encoder_free_cpu_ms   CPU time of deciding the tags of a product from its kept vector, and same_tags: the share of
                          products that get those of the full path (benchmarks/encoder_free.py)
    ray_ratio             CPU time of a product in a re-tag on Ray (two nodes), against one process, both without their
                          start; `python -m benchmarks.release.ray_job` measures it alone
    lookup_ratio          p99 of look-ups while the bundles changed, against the time before
"""

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import encoder_free
from benchmarks.closing import add_results, measured_or_exit, write_results
from benchmarks.machine import machine
from benchmarks.release.bundles import catalogue_of, write_second
from benchmarks.release.callers import Callers
from benchmarks.release.commands import run, run_by_turns
from benchmarks.release.program import Program, until_all_use
from benchmarks.release.ray_job import measure_ray
from benchmarks.release.shop import Shop
from hangtag.bundle import STARTER, load_bundle
from hangtag.cli.demo.programs import Programs, programs
from hangtag.cli.errors import CommandError
from hangtag.cli.local import LocalStack, free_port
from hangtag.settings import Settings

_TEXTS = 150
# Long enough that what waited in one turn does not count for the next.
_TURN_S = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--lookups", type=float, default=300, help="in a second")
    parser.add_argument("--events", type=float, default=50, help="in a second")
    parser.add_argument("--still-s", type=float, default=60, help="how long nothing is released, to compare with")
    parser.add_argument("--data", type=Path, action="append", default=[], help="as in encoder_free")
    parser.add_argument("--ray-products", type=int, default=20_000, help="tagged again on Ray, and in one process")
    parser.add_argument("--quick", action="store_true", help="within 9 minutes: fewer products, less time")
    add_results(parser, "release")
    options = parser.parse_args()
    if options.quick:
        options.products, options.still_s = min(options.products, 2_000), min(options.still_s, 30)
        options.ray_products = min(options.ray_products, 6_000)
    result = measured_or_exit(lambda: measured(options))
    write_results(result, options.results)
    report(result)
    if result["failed"] or result["mixed"] or result["unseen"] or not result["verified"]:
        sys.exit(1)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        return measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    first, second = load_bundle(STARTER).version, write_second(folder / "second")
    ports = {"HANGTAG_WORKER__METRICS_PORT": free_port(), "HANGTAG_SERVER__METRICS_PORT": free_port()}
    os.environ |= {
        "HANGTAG_MODELS__STORE": str(folder / "models"),
        "HANGTAG_MODELS__CACHE_DIR": str(folder / "cache"),
        "HANGTAG_MODELS__ACTOR": "bench",
        "HANGTAG_MODEL__ENGINE": "cpu",
        **{name: str(port) for name, port in ports.items()},
    }
    catalogue = catalogue_of([STARTER, folder / "second"], _TEXTS)
    with LocalStack() as settings:
        environment = addresses(settings)
        for bundle in (STARTER, folder / "second"):
            run(environment, "model", "push", str(bundle), "--json")
        run(environment, "model", "promote", first, "--reason", "the first", "--json")
        with programs(settings, folder) as running:
            running.wait_for_server(meanwhile=lambda: None)
            address = f"{running.host}:{running.port}"
            both = (
                Program(running.worker, ports["HANGTAG_WORKER__METRICS_PORT"]),
                Program(running.server, ports["HANGTAG_SERVER__METRICS_PORT"]),
            )
            shop = Shop(settings.kafka, address, catalogue, options.products)
            callers = Callers(address, catalogue, options.products, options.lookups)
            fill(running, environment, shop, options.products)
            result = release(environment, running, both, shop, callers, second, options)
    print("on Ray", file=sys.stderr, flush=True)
    result |= measure_ray(options.ray_products)
    return {
        "machine": machine(),
        "quick": options.quick,
        **result,
        **encoder_free.measure(options.products, options.data),
        "products": options.products,
    }


def release(
    environment: dict[str, str],
    running: Programs,
    both: tuple[Program, Program],
    shop: Shop,
    callers: Callers,
    second: str,
    options: argparse.Namespace,
) -> dict[str, Any]:
    def phase(name: str) -> None:
        shop.phase = callers.phase = name
        print(f"{name}: {callers.counts['lookups']:,} look-ups so far", file=sys.stderr, flush=True)

    callers.start()
    shop.trade(options.events)
    phase("warm-up")
    time.sleep(options.still_s / 3)
    phase("still")
    time.sleep(options.still_s)
    before = {each.child.name: round(each.memory_mb()) for each in both}
    for each in both:
        each.forget_peak()
    phase("upgrade")
    made = run(environment, "model", "promote", second, "--reason", "a benchmark", "--json").printed
    to_all = until_all_use(both, made["sequence"])
    peak = {each.child.name: round(each.memory_mb("VmHWM")) for each in both}
    time.sleep(5)
    retagged = run_by_turns(
        environment,
        "retag",
        "--json",
        turn_s=_TURN_S,
        on_turn=lambda is_running: phase("retag" if is_running else "paused"),
    )
    phase("rollback")
    made = run(environment, "model", "rollback", "--reason", "a benchmark", "--json").printed
    back = until_all_use(both, made["sequence"])
    phase("undo")
    undone = run(environment, "retag", "undo", "--json")
    phase("end")
    unseen = shop.end(running.check)
    callers.end()
    verified = run(environment, "verify", "--json", may_fail=True).printed
    after = {each.child.name: round(each.memory_mb()) for each in both}
    computed = max(1, retagged.printed.get("computed", options.products))
    return {
        "failed": callers.counts["failed"],
        "mixed": callers.counts["mixed"],
        "unseen": unseen,
        "lookups": callers.counts["lookups"],
        "suggestions": callers.counts["suggestions"],
        "events": shop.sent,
        "problems": callers.problems,
        "answers_by_bundle": {version[:12]: count for version, count in callers.bundles.items()},
        "seconds_to_all": to_all,
        "seconds_back": back,
        "before_mb": before,
        "peak_mb": peak,
        "after_mb": after,
        "retag_s": retagged.took_s,
        "retag_cpu_ms": retagged.cpu_s * 1_000 / computed,
        "retag": retagged.printed,
        "undo_s": undone.took_s,
        "undo": undone.printed,
        "live_freshness_ratio": shop.p_ms("retag", 0.99) / shop.p_ms("paused", 0.99),
        "freshness_ms": percentiles(shop),
        "lookup_ratio": callers.p_ms("upgrade", 0.99) / callers.p_ms("still", 0.99),
        "lookup_ms": percentiles(callers),
        "verified": verified["is_complete"] and not verified["disagreeing"],
        "verify": {name: verified[name] for name in ("products", "stored", "disagreeing", "is_complete")},
    }


def percentiles(measured: Shop | Callers) -> dict[str, dict[str, float]]:
    """In milliseconds, by phase."""
    phases = ("still", "upgrade", "retag", "paused", "rollback", "undo")
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {phase: {name: measured.p_ms(phase, share) for name, share in shares.items()} for phase in phases}


def fill(running: Programs, environment: dict[str, str], shop: Shop, products: int) -> None:
    """Send every product, and wait until all have tags.

    Raises:
        CommandError: they have none in time.
    """
    shop.fill()
    give_up = time.monotonic() + max(120.0, products / 20)
    while True:
        running.check()
        found = run(environment, "model", "products", "--json").printed
        count = sum(each["products"] for each in found["releases"])
        print(f"{count:,} of {products:,} products have tags", file=sys.stderr, flush=True)
        if count >= products:
            return
        if time.monotonic() > give_up:
            msg = f"{products - count} products have no tags:\n{running.worker.tail()}"
            raise CommandError(msg)
        time.sleep(2)


def addresses(settings: Settings) -> dict[str, str]:
    """The environment of the commands."""
    return {
        "HANGTAG_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "HANGTAG_REDIS__URL": settings.redis.url.get_secret_value(),
    }


def report(result: dict[str, Any]) -> None:
    table = Table("what", "figure", title="a release under load")
    for name in ("failed", "mixed", "unseen", "verified", "lookups", "suggestions", "events"):
        table.add_row(name, f"{result[name]:,}" if isinstance(result[name], int) else str(result[name]))
    for name in ("seconds_to_all", "seconds_back", "retag_s", "retag_cpu_ms", "undo_s"):
        table.add_row(name, f"{result[name]:.1f}")
    for name in ("live_freshness_ratio", "lookup_ratio", "ray_ratio", "encoder_free_cpu_ms", "same_tags"):
        table.add_row(name, f"{result[name]:.2f}")
    for name in ("before_mb", "peak_mb", "after_mb"):
        table.add_row(name, ", ".join(f"{program} {value:,}" for program, value in result[name].items()))
    Console(stderr=True).print(table)
    for problem in result["problems"]:
        print(problem, file=sys.stderr)


if __name__ == "__main__":
    main()
