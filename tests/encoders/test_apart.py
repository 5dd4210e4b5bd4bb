"""A decoder in a child process is the decoder it stands for; what kills, fills or stops its reader costs one answer."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest

from encoders.apart import DecoderApart, announced
from encoders.decoding import MAX_FILE_BYTES, Limits
from encoders.engines import End, Overloaded, Unbearable, Unreadable
from encoders.media import PyAvDecoder
from encoders.wire import MAX_HEAD_BYTES, Garbled, HungUp, Late, Line
from schemas.reasons import Reason
from tests.encoders import contracts
from tests.encoders.samples import Recipe, make_media
from tests.encoders.test_media import jpeg
from tests.fakes.engines import FakeDecoder, Trouble, fake_media, fake_picture
from tests.fakes.reader import READER

pytestmark = pytest.mark.hermetic

ROOT = Path(__file__).parents[2]
GOOD = fake_media("here is red mug now", "red mug")


class Watched:
    """A stand-in decoder in a child, and how its children ended."""

    def __init__(self) -> None:
        self.ends: list[End] = []
        self.decoder = DecoderApart(Limits(processor_s=10, wall_s=2, memory_mb=256), {}, self.ends.append, READER)


@pytest.fixture(scope="module")
def shared() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.decoder.close()


@pytest.fixture
def watched(shared: Watched) -> Watched:
    shared.ends.clear()
    return shared


def children_of(pid: int) -> list[int]:
    said = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in (line.split() for line in said.splitlines()) if int(parent) == pid]


def readers() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if "tests.fakes.reader" in command(pid)]


def command(pid: int) -> str:
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def test_the_stand_in_in_a_child_keeps_the_contract_and_gives_the_same_bytes(watched: Watched) -> None:
    samples = contracts.MediaSamples(
        good=GOOD,
        duration_ms=4000,
        audio_only=fake_media("here", None),
        video_only=fake_media(None, "red mug"),
        picture=fake_picture("red mug"),
    )
    contracts.media_contract(watched.decoder, samples)
    assert watched.decoder.audio(GOOD) == FakeDecoder().audio(GOOD)
    assert (watched.decoder.clip(GOOD).frames == FakeDecoder().clip(GOOD).frames).all()
    assert watched.ends == []


def test_the_real_decoder_in_a_child_keeps_the_contract_and_gives_the_same_bytes() -> None:
    samples = contracts.MediaSamples(
        good=make_media(),
        duration_ms=4000,
        audio_only=make_media(Recipe(video=None)),
        video_only=make_media(Recipe(audio=None)),
        picture=jpeg(),
    )
    apart, here = DecoderApart(), PyAvDecoder()
    try:
        contracts.media_contract(apart, samples)
        assert apart.audio(samples.good) == here.audio(samples.good)
        clip, same = apart.clip(samples.good), here.clip(samples.good)
        assert (clip.at_ms, clip.frames.tobytes()) == (same.at_ms, same.frames.tobytes())
        assert apart.image(samples.picture).tobytes() == here.image(samples.picture).tobytes()
    finally:
        apart.close()


@pytest.mark.parametrize(
    ("trouble", "ends", "detail"),
    [
        ("crash", [End.CRASH, End.CRASH], "SIGSEGV in engines.py"),
        ("hang", [End.TIME], "more than 2 s to read"),
        ("hog", [End.MEMORY, End.MEMORY], "more than 256 MB of memory"),
    ],
)
def test_what_ends_its_reader_is_unbearable_and_the_next_media_are_read_as_before(
    watched: Watched, trouble: Trouble, ends: list[End], detail: str
) -> None:
    before = watched.decoder.audio(GOOD)
    with pytest.raises(Unbearable) as caught:
        watched.decoder.clip(fake_media("here is red mug now", "red mug", trouble=trouble))
    assert (caught.value.reason, caught.value.how) == (Reason.UNDECODABLE, ends[-1])
    assert detail in caught.value.detail
    assert watched.ends == ends
    assert watched.decoder.audio(GOOD) == before


def test_a_child_that_was_killed_while_it_had_nothing_to_do_costs_nothing(watched: Watched) -> None:
    before = watched.decoder.audio(GOOD)
    (reader,) = readers()
    os.kill(reader, signal.SIGKILL)
    assert watched.decoder.audio(GOOD) == before
    assert len(watched.ends) == 1


def test_of_a_closed_decoder_no_process_is_left() -> None:
    decoder = DecoderApart(reader=READER)
    decoder.audio(GOOD)
    before = set(readers())
    decoder.close()
    assert len(before - set(readers())) == 1
    decoder.close()


def test_a_reader_that_does_not_start_is_waited_for_and_says_why() -> None:
    with pytest.raises(Overloaded, match=r"No module named tests\.fakes\.nobody"):
        DecoderApart(reader=("-m", "tests.fakes.nobody")).audio(GOOD)


LIAR = """
import socket, time
from encoders.wire import Line
line = Line(socket.socket(fileno=0))
line.say({})
line.head()
line.say({"shape": [1, 1, 1, 3], "at_ms": []}, b"abc")
time.sleep(60)
"""


def test_a_reader_that_says_nonsense_is_ended() -> None:
    decoder = DecoderApart(reader=("-c", LIAR))
    with pytest.raises(Unbearable, match="said what is no answer"):
        decoder.clip(GOOD)
    decoder.close()


@pytest.mark.parametrize(
    ("shape", "at_ms", "size"),
    [
        ([8, 1, 1, 3], [0] * 8, 23),
        ([1, 1, 1, 3], [], 3),
        ([8, 1, 1, 3], [], 24),
        ([8, -1, -1, 3], [0] * 8, 24),
        ([8, 1, 1, 3], [True] * 8, 24),
        ([8, 1, 1.0, 3], [0] * 8, 24),
        ("8", 8, 24),
        ([8, 1, 1 << 40, 3], [0] * 8, 24 << 40),
    ],
)
def test_lengths_shapes_and_times_must_fit_each_other(shape: object, at_ms: object, size: int) -> None:
    assert announced("clip", {"shape": [8, 1, 1, 3], "at_ms": [0] * 8}, 24) == ((8, 1, 1, 3), (0,) * 8)
    with pytest.raises(ValueError, match=r"."):
        announced("clip", {"shape": shape, "at_ms": at_ms}, size)


PARENT = """
import os, signal, sys, threading
from encoders.apart import DecoderApart, announced
from tests.fakes.engines import fake_media
from tests.fakes.reader import READER
decoder = DecoderApart(reader=READER)
decoder.audio(fake_media("here"))
print(decoder._child.process.pid, flush=True)
threading.Thread(target=decoder.audio, args=(fake_media("here", trouble="hang"),)).start()
threading.Event().wait(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_in_the_midst_of_reading_ends_with_its_parent() -> None:
    said = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=False, cwd=ROOT)
    assert said.returncode == -signal.SIGKILL, said.stderr
    deadline = time.monotonic() + 10
    while command(int(said.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not command(int(said.stdout))


CURIOUS = """
import os, socket, sys
from encoders.decoding import _confine, limits_of
from encoders.wire import Line
_confine()
line = Line(socket.socket(fileno=0))
line.say({})
line.head()
try:
    with open(sys.argv[1], "wb") as file:
        file.write(bytes(100_000))
except OSError:
    pass
line.say({"reason": "Undecodable", "detail": " ".join(os.environ) + f" {os.path.getsize(sys.argv[1])}"})
"""


def test_a_child_knows_no_setting_and_writes_no_file_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_KAFKA_SASL_PASSWORD", "s3cret")
    decoder = DecoderApart(environ={"LANG": "C"}, reader=("-c", CURIOUS, str(tmp_path / "file")))
    with pytest.raises(Unreadable) as caught:
        decoder.audio(GOOD)
    *names, size = caught.value.detail.split()
    assert {"LANG", "PYTHONPATH"} <= set(names)
    assert not [name for name in names if name.startswith("VITRINE")]
    assert int(size) <= MAX_FILE_BYTES
    decoder.close()


def pair() -> tuple[Line, Line]:
    ours, theirs = socket.socketpair()
    return Line(ours), Line(theirs)


def test_a_message_comes_as_it_was_said_and_silence_is_late() -> None:
    ours, theirs = pair()
    ours.say({"what": "clip", "é": [1, None]}, b"\x00media")
    head, size = theirs.head(5)
    assert (head, theirs.body(size, 5)) == ({"what": "clip", "é": [1, None]}, bytearray(b"\x00media"))
    with pytest.raises(Late):
        theirs.head(0.01)
    ours.close()
    with pytest.raises(HungUp):
        theirs.head(5)
    with pytest.raises(HungUp):
        theirs.say({}, bytes(10_000_000))
    theirs.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 12,
        pack("<IQ", MAX_HEAD_BYTES + 1, 0),
        pack("<IQ", 2, 0) + b"[]",
        pack("<IQ", 2, 0) + b"{{",
        pack("<IQ", 60_000, 0) + b"[" * 60_000,
        pack("<IQ", 2, 0) + b"\xff\xff",
    ],
    ids=["ones", "a long head", "a list", "no JSON", "deep JSON", "no UTF-8"],
)
def test_what_is_no_message_is_garbled(garbage: bytes) -> None:
    ours, theirs = pair()
    ours.end.sendall(garbage)
    with pytest.raises(Garbled):
        theirs.head(5)
    ours.close()
    theirs.close()
