"""The process of `encoders/decoding.py`, serving the stand-in decoder: a few milliseconds a start, no libav."""

import socket
import sys

from encoders.decoding import limits_of, serve
from encoders.wire import Line
from tests.fakes.engines import FakeDecoder

READER = ("-m", __name__ if __name__ != "__main__" else "tests.fakes.reader")
"""How `DecoderApart` starts it."""

if __name__ == "__main__":
    serve(FakeDecoder(), Line(socket.socket(fileno=0)), limits_of(sys.argv[1:]))
