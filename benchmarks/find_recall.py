"""How many of the best 20 an answer has that says SAMPLED: among all products, in an order by many tags."""

import time
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from benchmarks.find_catalogue import SIZES, catalogue, product_id
from benchmarks.find_load import p99
from hangtag.index.slots import confidences, in_auto, tag_numbers
from hangtag.v1 import tags_pb2, tags_pb2_grpc

# The numbers of tags by which products are ordered.
BOOSTED = (12, 20, 40)
_BEST = 20
_VALUES = 12
_TIMEOUT_S = 30.0


def recall(address: str, products: int, searches: int) -> dict[str, Any]:
    """Of `searches` orders for each number of tags: how many were sampled, their recall, and how long they took."""
    exact = Exact(products)
    rng = np.random.default_rng(6)
    found: dict[str, Any] = {}
    with grpc.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        for tags in BOOSTED:
            took: list[float] = []
            recalls: list[float] = []
            for _ in range(searches):
                boosts = some_boosts(rng, tags)
                request = tags_pb2.FindProductsRequest(page_size=_BEST, boosts=messages(boosts))
                began = time.perf_counter()
                reply = stub.FindProducts(request, timeout=_TIMEOUT_S)
                took.append((time.perf_counter() - began) * 1_000)
                if reply.is_sampled:
                    best = {each.product_id for each in reply.products}
                    recalls.append(len(best & exact.best(boosts)) / _BEST)
            found[str(tags)] = {
                "sampled": len(recalls) / searches,
                "recall_at_20": float(np.mean(recalls)) if recalls else None,
                "p99_ms": p99(took),
            }
    return found


def some_boosts(rng: np.random.Generator, tags: int) -> dict[str, float]:
    """Weights of so many common tags."""
    names = [f"{facet}:v{n}" for facet, size in SIZES.items() for n in range(min(size, _VALUES))]
    return {names[at]: int(rng.integers(1, 100)) / 100 for at in rng.choice(len(names), tags, replace=False)}


def messages(boosts: Mapping[str, float]) -> list[tags_pb2.TagBoost]:
    """Boosts as a request has them."""
    parts = ((*name.split(":"), weight) for name, weight in boosts.items())
    return [tags_pb2.TagBoost(facet=facet, value=value, weight=weight) for facet, value, weight in parts]


class Exact:
    """The catalogue, product by product."""

    def __init__(self, products: int) -> None:
        index = catalogue(products)
        table = index.rows.table[:products]
        self._tags = index.tags
        self._numbers = tag_numbers(table)
        self._confidences: NDArray[Any] = (confidences(table) * in_auto(table)).astype(np.uint16)

    def best(self, boosts: Mapping[str, float]) -> set[str]:
        """The ids of the best 20; of equal ones, those that came first."""
        weights = np.zeros(len(self._tags))
        for name, weight in boosts.items():
            number = self._tags.find(name)
            if number is not None:
                weights[number] = weight
        scores = np.round(np.einsum("ij,ij->i", weights[self._numbers], self._confidences), 6)
        return {product_id(int(number)) for number in np.argsort(-scores, kind="stable")[:_BEST]}
