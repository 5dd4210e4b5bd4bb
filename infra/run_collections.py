"""The collections of named runs in one Milvus, of any embedding space: how many rows they have, and dropping them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pymilvus import MilvusClient

from infra.live_rows import CALL_WITHIN_S, connected
from infra.vectors import is_of_run


@dataclass(frozen=True, slots=True)
class RunCollections:
    """Of one server. Each method raises :class:`infra.errors.NotRunning` when it is away."""

    uri: str
    token: str = ""

    def rows(self, runs: Iterable[str]) -> dict[str, dict[str, int]]:
        """Run → collection → its rows, by the server's statistics: to count them it would have to load them all.

        Of a cluster these lag: what was just written may be missing, and what was just deleted still counts.
        """
        with connected(self.uri, self.token) as client:
            there = sorted(client.list_collections())
            return {run: {name: _rows(client, name) for name in there if is_of_run(name, run)} for run in runs}

    def drop(self, run: str) -> None:
        """Delete the run's collections, with all that is in them."""
        with connected(self.uri, self.token) as client:
            for name in sorted(name for name in client.list_collections() if is_of_run(name, run)):
                client.drop_collection(name, timeout=CALL_WITHIN_S)


def _rows(client: MilvusClient, name: str) -> int:
    return int(client.get_collection_stats(name, timeout=CALL_WITHIN_S)["row_count"])
