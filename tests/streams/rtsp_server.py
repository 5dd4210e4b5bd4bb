"""An RTSP server for tests: one sample, H.264 and AAC, RTP interleaved in the RTSP connection, at live pace.

FFmpeg makes the RTP packets; here is only the conversation (RFC 2326): OPTIONS, DESCRIBE, SETUP, PLAY. It can freeze,
drop its clients, stop listening, ask for a password, or know nothing of the path.
"""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import cast

import av

from tests.encoders.samples import RATE_HZ

SDP = f"""v=0
o=- 0 0 IN IP4 127.0.0.1
s=test
t=0 0
a=range:npt=now-
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track0
m=audio 0 RTP/AVP 97
a=rtpmap:97 MPEG4-GENERIC/{RATE_HZ}/2
a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190
a=control:track1
""".replace("\n", "\r\n")
"""1190: AAC-LC, 48 kHz, two channels."""
RTCP = range(200, 205)


@dataclass(slots=True)
class Wire:
    """What FFmpeg writes RTP packets to: each goes to its channel of the connection."""

    out: BytesIO
    channel: int

    def write(self, packet: bytes) -> int:
        is_control = packet[1] in RTCP
        self.out.write(struct.pack("!cBH", b"$", self.channel + is_control, len(packet)) + packet)
        return len(packet)


@dataclass(slots=True)
class RtspServer:
    """Plays its sample to each client from the beginning; when one has heard all of it, it listens no more."""

    media: bytes
    status: str = "200 OK"
    """Of the answer to DESCRIBE."""
    frozen: threading.Event = field(default_factory=threading.Event)
    dropped: threading.Event = field(default_factory=threading.Event)
    _port: int = 0
    _server: socketserver.ThreadingTCPServer | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._port}/room"

    def start(self) -> RtspServer:
        """Listen; on the same port as before."""
        self.dropped = threading.Event()
        server = _Server(("127.0.0.1", self._port), _handler(self))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._server, self._port = server, int(server.server_address[1])
        return self

    def stop(self) -> None:
        """Drop the clients and listen no more."""
        self.dropped.set()
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()

    def packets(self) -> Iterator[bytes]:
        """Interleaved RTP as it falls due. Raises `ConnectionResetError` when clients are dropped."""
        wire, began_s, dropped = BytesIO(), time.monotonic(), self.dropped
        with av.open(BytesIO(self.media), "r") as source:
            outs = {}
            for number, track in enumerate((source.streams.video[0], source.streams.audio[0])):
                options = {"payload_type": str(96 + number), "packetsize": "1400"}
                out = av.open(Wire(wire, 2 * number), "w", format="rtp", options=options, buffer_size=4096)
                outs[track.index] = (out, out.add_stream_from_template(track))
            for packet in source.demux():
                if dropped.is_set():
                    raise ConnectionResetError
                if packet.dts is None:
                    continue
                due_s = began_s + float((packet.dts - (packet.stream.start_time or 0)) * packet.time_base)
                while time.monotonic() < due_s or (self.frozen.is_set() and not dropped.is_set()):
                    time.sleep(0.01)
                out, packet.stream = outs[packet.stream_index]
                out.mux(packet)
                yield wire.getvalue()
                wire.seek(0)
                wire.truncate()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is nobody's error."""


def _handler(us: RtspServer) -> type[socketserver.StreamRequestHandler]:
    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := self._request():
                verb, number = request
                answers = {
                    "DESCRIBE": ("Content-Type: application/sdp\r\n", SDP if us.status == "200 OK" else ""),
                    "SETUP": (f"Transport: RTP/AVP/TCP;unicast;interleaved={self._channels}\r\nSession: 1\r\n", ""),
                    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
                }
                head, body = answers.get(verb, ("Session: 1\r\n", ""))
                status = us.status if verb == "DESCRIBE" else "200 OK"
                length = f"Content-Length: {len(body)}\r\n" if body else ""
                self.wfile.write(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{head}{length}\r\n{body}".encode())
                if verb == "PLAY":
                    for part in us.packets():
                        self.wfile.write(part)
                    us.stop()
                    return

        def _request(self) -> tuple[str, str] | None:
            lines = []
            while (line := self.rfile.readline()).strip():
                lines.append(line.decode())
            if not lines:
                return None
            fields = dict(cast("tuple[str, str]", each.strip().split(": ", 1)) for each in lines[1:] if ": " in each)
            self._channels = fields.get("Transport", "").rpartition("interleaved=")[2].partition(";")[0]
            return lines[0].split()[0], fields.get("CSeq", "0")

    return Conversation
