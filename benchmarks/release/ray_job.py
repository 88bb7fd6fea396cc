"""What a product costs in a re-tag on Ray, and in one process.

    python -m benchmarks.release.ray_job --products 20000

The same products of one Parquet file are tagged by one process, and by the actors of a Ray cluster of two nodes on this
machine. Counted is the CPU time of all processes, Ray's own ones included, from the fourth of forty pieces to the
last: what it takes to start is not part of it. Prints JSON:

    ray_ratio     CPU time of a product on Ray, against one process
    ray_cpu_ms    CPU time of a product on Ray; alone_cpu_ms: in one process
    ray_start_s   how long it takes on Ray until the first pieces are done; alone_start_s: in one process
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.main_job import FEED, read
from hangtag.cli.errors import CommandError
from hangtag.cli.retag.on_ray.fragments import Fragments
from hangtag.cli.retag.on_ray.job import plan
from hangtag.cli.retag.on_ray.piece_tagger import PieceTagger
from hangtag.settings import ModelSettings, ModelsSettings, Settings
from hangtag.trainer.recipe.columns import Columns

_PIECES = 40
_FIRST_PIECES = 4
_NODES = 2
_NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 << 20}


def measure_ray(products: int) -> dict[str, Any]:
    """The figures of both, each in a process of its own.

    Raises:
        CommandError: one of them failed, or Ray is not installed.
    """
    with TemporaryDirectory() as folder:
        write_products(Path(folder) / "products.parquet", products)
        alone, ray = (_run(folder, how) for how in ("alone", "ray"))
    return {
        "ray_ratio": ray["cpu_ms"] / alone["cpu_ms"],
        "ray_cpu_ms": ray["cpu_ms"],
        "alone_cpu_ms": alone["cpu_ms"],
        "ray_start_s": ray["start_s"],
        "alone_start_s": alone["start_s"],
    }


def write_products(path: Path, products: int) -> None:
    """The texts of the feed, again and again, each with a number."""
    texts = [event.product for event in read(FEED, 1_000)]
    rows = [
        {
            "product_id": f"bench-{number}",
            "version": 1,
            "title": f"{text.title} {number}",
            "description": text.description,
            "merchant_category": text.merchant_category,
        }
        for number, text in ((each, texts[each % len(texts)]) for each in range(products))
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=products)


def _run(folder: str, how: str) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "benchmarks.release.ray_job", "--folder", folder, "--how", how]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": root}, capture_output=True, check=False)
    if done.returncode:
        raise CommandError(done.stderr.decode()[-2_000:])
    found: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return found


class Meter:
    """CPU time of this process and of all that it started, from one call to another."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._pieces = 0
        self._at_first = 0.0
        self._seen: dict[int, float] = {}
        self.start_s = 0.0

    def piece_done(self) -> None:
        """Call it after each piece."""
        self._pieces += 1
        if self._pieces == _FIRST_PIECES:
            self.start_s = time.monotonic() - self._began_s
            self._at_first = self._used_s()

    def cpu_ms(self, rows_a_piece: int) -> float:
        """Of each product since the first pieces."""
        return (self._used_s() - self._at_first) * 1_000 / ((self._pieces - _FIRST_PIECES) * rows_a_piece)

    def _used_s(self) -> float:
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self._seen[process.pid] = times.user + times.system
        return sum(self._seen.values())


def tag(folder: str, how: str) -> dict[str, float]:
    """Tag the products in this process, or on a cluster of two nodes that it starts."""
    settings = Settings().model_copy(
        update={"model": ModelSettings(bundle="starter", engine="cpu"), "models": ModelsSettings()}
    )
    to = f"{folder}/{how}"
    source, columns = f"{folder}/products.parquet", Columns(labelled=False)
    rows = pq.read_metadata(source).num_rows // _PIECES
    work = plan(settings, source, to, columns, None, is_own=True, rows_a_piece=rows)
    meter = Meter()
    with ExitStack() as stack:
        if how == "ray":
            os.environ["RAY_ADDRESS"] = _two_nodes(stack)
            work.run(meter.piece_done)
        else:
            Fragments(to).begin(work.made, restart=False)
            tagger = stack.enter_context(closing(PieceTagger(work.task)))
            for piece in work.pieces:
                tagger.tag(piece)
                meter.piece_done()
        return {"cpu_ms": meter.cpu_ms(rows), "start_s": meter.start_s}


def _two_nodes(stack: ExitStack) -> str:
    """The address of the cluster."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    try:
        from ray.cluster_utils import Cluster  # noqa: PLC0415 (an extra)
    except ImportError as error:
        msg = f"Ray is not installed: {error}"
        raise CommandError(msg) from error
    cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
    stack.callback(cluster.shutdown)
    for _ in range(_NODES - 1):
        cluster.add_node(**_NODE)
    return str(cluster.address)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.release.ray_job",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--products", type=int, default=6_000)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--how", choices=["alone", "ray"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        found = tag(options.folder, options.how) if options.how else measure_ray(options.products)
    except CommandError as error:
        sys.exit(str(error))
    print(orjson.dumps(found).decode())


if __name__ == "__main__":
    main()
