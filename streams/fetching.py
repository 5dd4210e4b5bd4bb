"""an address → its bytes, over HTTP: what a playlist and its segments are fetched with.

A server that hangs is noticed: each answer must be complete within a time, however slowly it trickles.
"""

import time

import httpx

from encoders.hls import Fetched, NotServed
from encoders.remux import SourceAway

MAX_BYTES = 256 * 1024 * 1024
"""Of one segment."""
_ADVICE = {
    401: "the server wants a user and password (https://USER:PASSWORD@HOST/…) or a fresh token in the address",
    403: "the server refuses: a fresh token in the address, or another address to ask from",
    404: "nothing is at this address: is the broadcast on air, and the path right?",
    410: "the server says that this is gone for good",
}


class Web:
    """An HTTP client that keeps its connections and cookies; called with an address, it gives the bytes."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._client = httpx.Client(timeout=within_s, follow_redirects=True, headers={"User-Agent": "vitrine"})

    def __call__(self, url: str) -> Fetched:
        """What is at an address, or where that redirects to.

        Raises `NotServed`, or `SourceAway` where the server is away or too slow.
        """
        until_s = time.monotonic() + self._within_s
        try:
            with self._client.stream("GET", url) as answer:
                if answer.status_code >= 400:
                    advice = _ADVICE.get(answer.status_code, "")
                    raise NotServed(f"HTTP {answer.status_code} {answer.reason_phrase}", advice)
                return Fetched(self._read(answer, until_s), str(answer.url))
        except httpx.TimeoutException as late:
            raise SourceAway(f"the server gave nothing for {self._within_s:g} s") from late
        except httpx.ConnectError as refused:
            raise SourceAway(str(refused), "are host and port right, does the server run?") from refused
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            raise SourceAway(str(failure) or type(failure).__name__) from failure

    def _read(self, answer: httpx.Response, until_s: float) -> bytes:
        found = bytearray()
        for part in answer.iter_bytes():
            found += part
            if len(found) > MAX_BYTES:
                raise NotServed(f"an answer of more than {MAX_BYTES // 2**20} MiB")
            if time.monotonic() > until_s:
                raise SourceAway(f"an answer was not complete after {self._within_s:g} s")
        return bytes(found)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
