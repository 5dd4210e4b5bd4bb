"""FFmpeg as an RTMP server in a process of its own: it plays one sample to one client at live pace.

It listens from `RtmpServer.start` on and takes the first client that plays; a test stops, freezes and kills it.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import av

from infra.ports import is_free


@dataclass(slots=True)
class RtmpServer:
    """One broadcast at a time on one address."""

    media: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"rtmp://127.0.0.1:{self.port}/live/room"

    def start(self) -> RtmpServer:
        """Listen for one client; on the same port as before."""
        self.port = self.port or _free_port()
        self._process = subprocess.Popen([sys.executable, "-m", __name__, self.url, str(self.media)])
        while is_free(self.port):  # a connection would already be its one client
            assert self._process.poll() is None
            time.sleep(0.05)
        return self

    def freeze(self) -> None:
        """It keeps its connection and says nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def serve(url: str, media: str) -> None:
    """Wait for a client, play the sample to it, end."""
    with av.open(media) as source, av.open(f"[f=flv:listen=1]{url}", "w", format="tee") as out:
        tracks = {each.index: out.add_stream_from_template(each) for each in source.streams.get()}
        out.start_encoding()
        began_s = time.monotonic()
        for packet in source.demux():
            if packet.dts is not None:
                due_s = began_s + float((packet.dts - (packet.stream.start_time or 0)) * packet.time_base)
                time.sleep(max(0.0, due_s - time.monotonic()))
                packet.stream = tracks[packet.stream_index]
                out.mux(packet)


if __name__ == "__main__":
    serve(*sys.argv[1:])
