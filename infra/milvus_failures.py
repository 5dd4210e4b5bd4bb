"""What pymilvus and gRPC raise → whether it mends itself, or what the server refuses.

What one would get wrong: a server says in many ways that it is busy, starting or full, and any of them taken for a bug
would end the workers; and pymilvus reports a refused token in the words of a server that is not there.
"""

from __future__ import annotations

import grpc
from pymilvus import MilvusException

from infra.errors import ServiceRefused

DATABASE_NOT_FOUND = 800
BUSY_OR_DOWN = frozenset(
    {2, 3, 4, 7, 8, 9, 11, 12}  # no connection; too little memory, disk or quota, too many requests, a late clock
    | {101, 103, 106, 202}  # a collection that is not loaded, not fully loaded, recovering
    | {700}  # another process is about to make the index
    | {401, 503, 901, 902, 903, 904, 905, 906}  # no replica, channel or node for it at the moment
    | {1001, 1002, 1302, 10_000, 10_001}  # its storage or log does not answer; cancelled, timed out
)
"""Codes of a server's failures (Milvus' ``pkg/util/merr/errors.go``; pymilvus adds 2) that pass by waiting."""
SAID_OF_IT = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "closed channel", "Channel closed", "Retry timeout", "not ready")
"""What they say where the code does not tell: pymilvus' own waits for a load or a flush that took too long have 1."""
REFUSALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


def is_transient(failure: Exception) -> bool:
    """Whether a new connection, with its collections loaded, may succeed where this one failed.

    A call that was not answered in time leaves pymilvus as gRPC's own error; and the connection is shared, so another
    thread may have closed it after its own failure, before this call or during it.
    """
    code = failure.code if isinstance(failure, MilvusException) else None
    return code in BUSY_OR_DOWN or any(words in str(failure) for words in SAID_OF_IT)


def refusal(failure: Exception, uri: str) -> ServiceRefused | None:
    """The failure by name, where the server answered and will not do it for this user, or has no such database."""
    for said in (failure, failure.__cause__):
        if isinstance(said, grpc.Call) and said.code() in REFUSALS:
            return ServiceRefused(
                f"Milvus at {uri} refuses: {said.details()}",
                remedy="VITRINE_MILVUS_TOKEN is user:password of one who may make, load, read and write collections",
            )
    if isinstance(failure, MilvusException) and _names_no_database(failure):
        remedy = "make the database, or leave it out: VITRINE_MILVUS is http://host:port, or http://host:port/database"
        return ServiceRefused(f"Milvus at {uri} refuses: {failure.message}", remedy=remedy)
    return None


def _names_no_database(failure: MilvusException) -> bool:
    """2.3 says it with a code of its own to some calls, and in words alone to others."""
    said = str(failure.message)
    return bool(failure.code == DATABASE_NOT_FOUND) or (said.startswith("database") and said.endswith("not found"))
