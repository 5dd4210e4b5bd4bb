"""An HLS server of one playlist, whose faults a test turns on and off; it can be stopped and started on its port."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av

from tests.encoders.samples import Recipe, make_media


def cut_for_hls(folder: Path, recipe: Recipe, *, fragmented: bool = False, by_time: bool = False) -> list[bytes]:
    """What FFmpeg's HLS muxer makes of a sample: the init section where there is one, then segments of about 1 s.

    `by_time` each has 1 s, also where that is no key frame.
    """
    folder.mkdir()
    whole, kind = folder / "whole", "fmp4" if fragmented else "mpegts"
    whole.write_bytes(make_media(recipe))
    options = {"hls_time": "1", "hls_segment_type": kind, "hls_playlist_type": "vod",
               "hls_flags": "split_by_time" if by_time else "0",
               "hls_segment_filename": str(folder / "%03d.part")}  # fmt: skip
    with av.open(str(whole)) as source, av.open(str(folder / "list.m3u8"), "w", format="hls", options=options) as out:
        tracks = {each.index: out.add_stream_from_template(each) for each in source.streams.get()}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream_index]
                out.mux(packet)
    init = [folder / "init.mp4"] if fragmented else []
    return [file.read_bytes() for file in (*init, *sorted(folder.glob("*.part")))]


@dataclass(slots=True)
class HlsServer:
    """Serves ``/live.m3u8`` and what it lists from memory."""

    files: dict[str, bytes] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    """Of the playlist, below its head."""
    first: int = 0
    ended: bool = False
    refused: dict[str, int] = field(default_factory=dict)
    """Path → the status that it is refused with."""
    moved: dict[str, str] = field(default_factory=dict)
    """Path → where it redirects to."""
    frozen: threading.Event = field(default_factory=threading.Event)
    """Set: requests are taken and not answered."""
    asked: list[str] = field(default_factory=list)
    _port: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/live.m3u8"

    def add(self, name: str, media: bytes, *tags: str) -> None:
        """List one more segment of 1 s, with what stands before it."""
        self.files[f"/{name}"] = media
        self.lines += [*tags, "#EXTINF:1.0,", name]

    def drop_first(self) -> None:
        """The oldest segment leaves the playlist, and is not served any more."""
        at = next(at for at, line in enumerate(self.lines) if not line.startswith("#"))
        self.files.pop(f"/{self.lines[at]}", None)
        del self.lines[: at + 1]
        self.first += 1

    def wait_for(self, path: str) -> None:
        """Return when this was asked for."""
        deadline_s = time.monotonic() + 60
        while path not in self.asked:
            assert time.monotonic() < deadline_s, f"nobody asked for {path}"
            time.sleep(0.02)

    def playlist(self) -> bytes:
        """As it stands now."""
        head = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{self.first}"]
        return "\n".join([*head, *self.lines, *(["#EXT-X-ENDLIST"] if self.ended else []), ""]).encode()

    def start(self) -> HlsServer:
        """Serve; on the same port as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Nothing listens any more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        us = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                us.asked.append(self.path)
                while us.frozen.is_set():
                    threading.Event().wait(0.05)
                body = us.playlist() if self.path == "/live.m3u8" else us.files.get(self.path)
                moved = us.moved.get(self.path)
                status = us.refused.get(self.path, 302 if moved else 200 if body is not None else 404)
                self.send_response(status)
                if moved:
                    self.send_header("Location", moved)
                self.send_header("Content-Length", str(len(body or b"") if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Requests are not news."""

        return Handler
