"""Runs `hangtag` with the given arguments on a Ray cluster of two nodes with one core each, on this machine."""

import os

os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

from hangtag.cli import main

_NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 << 20}

if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
    try:
        cluster.add_node(**_NODE)
        os.environ["RAY_ADDRESS"] = cluster.address
        main()
    finally:
        cluster.shutdown()
