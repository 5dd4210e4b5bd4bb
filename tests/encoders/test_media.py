"""Sound, frames and stills of good media; a reason, and nothing else, for every kind of bad media."""

import struct
import time
import zlib
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.containers import MEDIA_FORMATS, opened, packets
from encoders.engines import FRAMES_PER_CLIP, Clip, Frames, Unreadable
from encoders.media import SHEET_BYTES, MediaLimits, PyAvDecoder, contact_sheet
from encoders.remux import segments
from encoders.webp import still
from schemas.reasons import Reason
from tests.encoders import contracts
from tests.encoders.samples import Recipe, counter, make_media, read_counter, timed_rarely

pytestmark = pytest.mark.hermetic

DECODER = PyAvDecoder()
GOOD = make_media()
CENTRES = [6, 18, 31, 43, 56, 68, 81, 93]
"""The frames on show at 1/16, 3/16, … of 100 frames."""


def picture_bytes(codec: str, pixels: Frames, pixel_format: str) -> bytes:
    """One still as a file of `codec`."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.time_base = pixel_format, Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if pixels.shape[2] == 4 else "rgb24")
    return b"".join(bytes(p) for p in (*encoder.encode(frame.reformat(format=pixel_format)), *encoder.encode(None)))


def jpeg(number: int = 5) -> bytes:
    return contact_sheet(Clip(counter(number)[np.newaxis], (0,)))


def reason(read: object) -> Reason:
    assert callable(read)
    with pytest.raises(Unreadable) as caught:
        read()
    assert caught.value.detail
    return caught.value.reason


def test_the_real_decoder_keeps_the_contract() -> None:
    samples = contracts.MediaSamples(
        good=GOOD,
        duration_ms=4000,
        audio_only=make_media(Recipe(video=None)),
        video_only=make_media(Recipe(audio=None)),
        picture=jpeg(),
    )
    contracts.media_contract(DECODER, samples)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(gop=1000),
        Recipe(container="mp4"),
        Recipe(video="mpeg2video", b_frames=0),
        Recipe(container="matroska", video="libvpx", audio="libopus"),
        Recipe(width=90, height=160),
    ],
    ids=lambda r: f"{r.container}-{r.video}-{r.gop}-{r.width}",
)
def test_a_clip_is_the_frames_on_show_at_the_centres_of_eight_parts(recipe: Recipe) -> None:
    clip = DECODER.clip(make_media(recipe))
    assert [read_counter(frame) for frame in clip.frames] == CENTRES
    assert clip.at_ms == tuple(40 * number for number in CENTRES)


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("every", [2, 5, 25])
def test_pictures_that_do_not_say_when_they_begin_are_looked_at_too(b_frames: int, every: int) -> None:
    clip = DECODER.clip(timed_rarely(make_media(Recipe(b_frames=b_frames)), every))
    assert [read_counter(frame) for frame in clip.frames] == CENTRES
    assert clip.at_ms == tuple(40 * number for number in CENTRES)


def test_streams_that_were_joined_give_eight_frames_in_order_too() -> None:
    clip = DECODER.clip(make_media() * 2)
    assert len(clip.frames) == len(clip.at_ms) == FRAMES_PER_CLIP
    assert list(clip.at_ms) == sorted(clip.at_ms)


def test_frames_are_scaled_down_to_the_short_side() -> None:
    clip = DECODER.clip(make_media(Recipe(width=640, height=480)))
    assert clip.frames.shape == (8, 320, 427, 3)
    assert [read_counter(frame) for frame in clip.frames] == CENTRES


def with_cover_first(mp4: bytes, picture: bytes) -> bytes:
    """MP4 whose cover picture is listed before its tracks."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", 8 + len(body)) + kind + body

    cover = box(b"ilst", box(b"covr", box(b"data", struct.pack(">II", 13, 0) + picture)))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    at = mp4.index(b"moov") - 4
    head = 8 + struct.unpack(">I", mp4[at + 8 : at + 12])[0]  # the movie's header comes first
    told = mp4[at + 8 : at + head] + box(b"udta", box(b"meta", bytes(4) + handler + cover)) + mp4[at + head :]
    assert at + struct.unpack(">I", mp4[at : at + 4])[0] == len(mp4)
    return mp4[:at] + box(b"moov", told)


def test_a_cover_picture_is_no_picture_track() -> None:
    film = with_cover_first(make_media(Recipe(container="mp4")), jpeg())
    with opened(film, MEDIA_FORMATS) as container:
        assert [stream.type for stream in container.streams] == ["video", "video", "audio"]
    assert [read_counter(frame) for frame in DECODER.clip(film).frames] == CENTRES
    song = with_cover_first(make_media(Recipe(container="mp4", video=None)), jpeg())
    assert reason(lambda: DECODER.clip(song)) == Reason.NO_VIDEO


def test_a_clip_of_fewer_frames_than_eight_repeats_them() -> None:
    clip = DECODER.clip(make_media(Recipe(seconds=0.12)))
    assert [read_counter(frame) for frame in clip.frames] == [0, 0, 0, 1, 1, 2, 2, 2]


def test_the_sound_is_mono_at_16_khz_and_keeps_its_pitch() -> None:
    pcm = np.frombuffer(DECODER.audio(GOOD), "<i2")
    second = pcm[16_000:32_000].astype(np.float64)
    loudest_hz = np.abs(np.fft.rfft(second)).argmax()
    assert 280 <= loudest_hz <= 420  # the tone rises by 100 Hz a second, from 200


def silent_between(begin_s: float, end_s: float, container: str) -> bytes:
    """The sample without the sound between these times."""
    memory = BytesIO()
    with opened(make_media(Recipe(container="mp4")), MEDIA_FORMATS) as whole, av.open(memory, "w", container) as out:
        tracks = {each.index: out.add_stream_from_template(each) for each in whole.streams.get()}
        made = [(float(packet.dts * packet.time_base), packet) for packet in whole.demux() if packet.dts is not None]
        for at_s, packet in sorted(made, key=lambda each: each[0]):
            if packet.stream.type == "video" or not begin_s <= at_s < end_s:
                packet.stream = tracks[packet.stream_index]
                out.mux(packet)
    return memory.getvalue()


@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska"])
@pytest.mark.parametrize(("begin_s", "end_s"), [(-1, 2), (1, 3), (1, 1.7)])
def test_sound_that_does_not_come_is_silence_and_what_follows_keeps_its_time(
    container: str, begin_s: float, end_s: float
) -> None:
    found = [DECODER.audio(silent_between(*hole, container=container)) for hole in ((9.0, 9.0), (begin_s, end_s))]
    whole, holed = (np.frombuffer(pcm, "<i2").astype(np.float64) for pcm in found)
    assert len(holed) == pytest.approx(len(whole), abs=16 * 30)
    hole = holed[round(16_000 * (max(0, begin_s) + 0.1)) : round(16_000 * (end_s - 0.1))]
    assert len(hole)
    assert not hole.any()
    for at in (3.2, 3.5):
        pitches = [np.abs(np.fft.rfft(pcm[round(at * 16_000) :][:4096])).argmax() for pcm in (whole, holed)]
        assert abs(pitches[0] - pitches[1]) <= 2  # a bin has 4 Hz; the tone rises so much in 40 ms


def test_a_clock_that_runs_to_and_fro_adds_no_silence_without_end() -> None:
    joined = b"".join(silent_between(1, 3, "mpegts") for _ in range(3))
    assert len(DECODER.audio(joined)) / 32 == pytest.approx(8000, abs=200)


@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska"])
def test_what_describes_the_pictures_for_the_blind_is_not_heard(container: str, tmp_path: Path) -> None:
    memory, made = BytesIO(), []
    with av.open(memory, "w", format=container) as out:
        for seconds, role in ((1, Disposition.visual_impaired), (4, Disposition.default)):
            with opened(make_media(Recipe(container="mp4", video=None, seconds=seconds)), MEDIA_FORMATS) as source:
                track = out.add_stream_from_template(source.streams.audio[0])
                track.disposition = role
                made += [(packet, track) for packet in packets(source, source.streams.audio[0])]
        for packet, track in sorted(made, key=lambda each: each[0].dts or 0):
            packet.stream = track
            out.mux(packet)
    (tmp_path / "two").write_bytes(memory.getvalue())
    pushed = [piece.media for piece in segments(tmp_path / "two", 10.0)]
    for heard in (memory.getvalue(), *pushed):
        assert len(DECODER.audio(heard)) / 32 == pytest.approx(4000, abs=60)


def test_a_sound_track_without_any_sound_is_none() -> None:
    memory, fragmented = BytesIO(), {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        opened(make_media(Recipe(container="mp4")), MEDIA_FORMATS) as whole,
        av.open(memory, "w", format="mp4", options=fragmented) as out,
    ):
        sight = out.add_stream_from_template(whole.streams.video[0])
        out.add_stream_from_template(whole.streams.audio[0])
        for packet in packets(whole, whole.streams.video[0]):
            packet.stream = sight
            out.mux(packet)
    mute = memory.getvalue()
    assert len(DECODER.clip(mute).frames) == FRAMES_PER_CLIP
    assert reason(lambda: DECODER.audio(mute)) is Reason.NO_AUDIO


@pytest.mark.parametrize(
    "second",
    [Recipe(audio_hz=44_100), Recipe(layout="mono"), Recipe(layout="5.1")],
    ids=lambda recipe: f"{recipe.audio_hz}-{recipe.layout}",
)
def test_sound_whose_form_changes_is_heard_to_its_end(second: Recipe) -> None:
    first, second = (replace(recipe, container="adts", video=None, seconds=2) for recipe in (Recipe(), second))
    whole = make_media(first) + make_media(second)
    apart = b"".join(DECODER.audio(make_media(recipe)) for recipe in (first, second))
    joined = DECODER.audio(whole)
    assert len(joined) == pytest.approx(len(apart), abs=32 * 100)
    ours, theirs = (np.frombuffer(pcm, "<i2").astype(np.float64)[40_000:60_000] for pcm in (joined, apart))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_a_transparent_picture_is_seen_on_white() -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, 16:] = (10, 20, 30, 255)
    seen = DECODER.image(picture_bytes("png", pixels, "rgba"))
    assert seen.shape == (1, 32, 32, 3)
    assert (seen[0, 8, 4] == 255).all()
    assert (seen[0, 8, 28] == (10, 20, 30)).all()


@pytest.mark.parametrize(("container", "codec"), [("gif", "gif"), ("webp", "libwebp_anim")])
def test_of_a_moving_picture_the_first_one_is_seen(container: str, codec: str) -> None:
    moving = make_media(Recipe(container=container, video=codec, audio=None, seconds=0.2))
    seen = DECODER.image(moving)
    assert seen.shape == (1, 90, 160, 3)
    assert read_counter(seen[0]) == 0


@given(st.binary(max_size=80))
def test_a_damaged_moving_picture_is_an_unreadable_one(tail: bytes) -> None:
    moving = make_media(Recipe(container="webp", video="libwebp_anim", audio=None, seconds=0.2))
    begin = moving.index(b"ANMF")
    assert reason(lambda: DECODER.image(moving[:begin] + tail)) is Reason.UNDECODABLE
    assert still(tail) == tail


def png_of_a_palette(pixels: Frames) -> bytes:
    """A picture of the colours in ``pixels`` (height, width, 4), as tools that make PNGs small write it."""
    colours, at = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    rows = np.insert(at.reshape(pixels.shape[:2]).astype(np.uint8), 0, 0, axis=1)  # each begins with its filter: none
    head = struct.pack(">2I5B", pixels.shape[1], pixels.shape[0], 8, 3, 0, 0, 0)
    chunks = {
        b"IHDR": head,
        b"PLTE": colours[:, :3].tobytes(),
        b"tRNS": colours[:, 3].tobytes(),
        b"IDAT": zlib.compress(rows.tobytes()),
        b"IEND": b"",
    }
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_transparent_colour_of_a_palette_is_seen_on_white_too() -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, 16:] = (10, 20, 30, 255)
    seen = DECODER.image(png_of_a_palette(pixels))
    assert (seen[0, 8, 4] == 255).all()
    assert (seen[0, 8, 28] == (10, 20, 30)).all()


def test_a_transparent_picture_is_turned_as_its_exif_says() -> None:
    pixels = np.zeros((32, 48, 4), np.uint8)
    pixels[:, :24] = (10, 20, 30, 255)
    upright = picture_bytes("png", pixels, "rgba")
    orientation = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # 6: a quarter to the right
    exif = struct.pack(">I", len(orientation)) + b"eXIf" + orientation
    end = upright.index(b"IDAT") - 4
    turned = upright[:end] + exif + struct.pack(">I", zlib.crc32(exif[4:])) + upright[end:]
    assert (DECODER.image(turned)[0] == np.rot90(DECODER.image(upright)[0], -1)).all()


def test_evidence_is_small_readable_and_the_same_every_time() -> None:
    drawn = np.random.default_rng(7)
    noise, wide, high = (
        drawn.integers(0, 256, (FRAMES_PER_CLIP, *size, 3), np.uint8) for size in ((180, 320), (48, 4096), (4096, 48))
    )
    for frames in (DECODER.clip(GOOD).frames, noise, wide, high, np.zeros((8, 4, 4, 3), np.uint8)):
        sheet = contact_sheet(Clip(frames, tuple(range(8))))
        assert len(sheet) <= SHEET_BYTES
        assert sheet == contact_sheet(Clip(frames, tuple(range(8))))
        assert DECODER.image(sheet).shape[1] == 120


def test_pictures_are_read_and_scaled_by_the_thread_that_asks_alone() -> None:
    clip = DECODER.clip(GOOD)
    transparent = picture_bytes("png", np.full((64, 64, 4), 128, np.uint8), "rgba")
    begin_s = time.process_time() - time.thread_time()
    for _ in range(3):
        DECODER.clip(GOOD)
        DECODER.image(contact_sheet(clip))
        DECODER.image(transparent)
    by_others_s = time.process_time() - time.thread_time() - begin_s
    assert by_others_s < 0.001


def test_a_truncated_segment_is_read_as_far_as_it_goes() -> None:
    half = GOOD[: len(GOOD) // 2]
    assert 0 < len(DECODER.audio(half)) < len(DECODER.audio(GOOD))
    assert len(DECODER.clip(half).frames) == FRAMES_PER_CLIP


def test_a_truncated_mp4_has_lost_its_index_and_is_undecodable() -> None:
    assert reason(lambda: DECODER.clip(make_media(Recipe(container="mp4"))[:20_000])) == Reason.UNDECODABLE


@pytest.mark.parametrize("nothing", [b"\x00" * 5000, b"plain text\n" * 500, b"\xff" * 5000, b"{}", GOOD[:100]])
def test_bytes_that_are_no_media_are_undecodable(nothing: bytes) -> None:
    for read in (DECODER.audio, DECODER.clip, DECODER.image):
        assert reason(lambda read=read: read(nothing)) == Reason.UNDECODABLE


def test_a_codec_that_is_not_known_leaves_no_track_to_read() -> None:
    foreign = bytearray(make_media(Recipe(container="matroska", video="libvpx", audio="libopus")))
    for name, other in ((b"V_VP8", b"V_XXX"), (b"A_OPUS", b"A_XXXX")):
        foreign[foreign.index(name) : foreign.index(name) + len(name)] = other
    assert reason(lambda: DECODER.clip(bytes(foreign))) in (Reason.UNDECODABLE, Reason.NO_VIDEO)
    assert reason(lambda: DECODER.audio(bytes(foreign))) in (Reason.UNDECODABLE, Reason.NO_AUDIO)


def test_a_playlist_is_refused_and_nothing_that_it_names_is_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.ts").write_bytes(GOOD)
    target = f"{tmp_path}/secret.ts"
    playlists = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{target}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {target}\n",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n{target}\n",
    )
    for text in playlists:
        for read in (DECODER.audio, DECODER.clip, DECODER.image):
            assert reason(lambda read=read, text=text: read(text.encode())) == Reason.UNDECODABLE


def test_media_beyond_the_limits_is_refused() -> None:
    assert reason(lambda: PyAvDecoder(MediaLimits(pixels=1000)).clip(GOOD)) == Reason.UNDECODABLE
    assert reason(lambda: PyAvDecoder(MediaLimits(picture_pixels=1000)).image(jpeg())) == Reason.UNDECODABLE
    short = PyAvDecoder(MediaLimits(duration_ms=1000))
    assert reason(lambda: short.clip(GOOD)) == Reason.UNDECODABLE
    assert reason(lambda: short.audio(GOOD)) == Reason.UNDECODABLE


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_anywhere_gives_media_or_a_reason(data: st.DataObject) -> None:
    container = data.draw(st.sampled_from(("mpegts", "mp4", "matroska")))
    whole = SHORT[container]
    damaged = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=40)):
        damaged[at % len(damaged)] = value
    for read in (DECODER.audio, DECODER.clip, DECODER.image):
        try:
            read(bytes(damaged))
        except Unreadable as unreadable:
            assert unreadable.reason in (Reason.UNDECODABLE, Reason.NO_AUDIO, Reason.NO_VIDEO)


SHORT = {container: make_media(Recipe(seconds=0.8, container=container)) for container in ("mpegts", "mp4", "matroska")}
