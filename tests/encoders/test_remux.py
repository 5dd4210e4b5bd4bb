"""Cutting a source loses nothing: every frame and every sound comes out once, and times go on without a gap."""

import contextlib
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from encoders.containers import MEDIA_FORMATS, opened, packets
from encoders.cutter import CutSegment
from encoders.engines import Frames
from encoders.media import PyAvDecoder
from encoders.remux import SourceUnreadable, segments
from tests.encoders.samples import Recipe, make_media, read_counter, timed_rarely
from tests.streams.hls_server import cut_for_hls

pytestmark = pytest.mark.hermetic

DECODER = PyAvDecoder()


def cut(path: Path, recipe: Recipe, segment_s: float = 1.0) -> list[CutSegment]:
    path.write_bytes(make_media(recipe))
    return list(segments(path, segment_s))


def numbers(media: bytes) -> list[int]:
    """The frames of a segment, by the counters in their pictures, decoded from this segment alone."""
    with opened(media, MEDIA_FORMATS) as container:
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return [read_counter(np.asarray(frame, np.uint8)) for frame in frames]


def sound_packets(media: bytes) -> list[bytes]:
    with opened(media, MEDIA_FORMATS) as container:
        return [bytes(packet) for packet in packets(container, container.streams.audio[0])]


def gapless(cuts: list[CutSegment]) -> bool:
    ends = [piece.start_ms + piece.duration_ms for piece in cuts]
    return cuts[0].start_ms == 0 and [piece.start_ms for piece in cuts[1:]] == ends[:-1]


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("a.ts", Recipe(seconds=6)),
        ("a.mp4", Recipe(seconds=3, container="mp4")),
        ("a.mkv", Recipe(seconds=3, container="matroska", audio="mp3")),
        ("hevc.ts", Recipe(seconds=2, video="libx265")),
    ],
)
def test_a_source_of_fitting_codecs_is_copied_packet_by_packet(tmp_path: Path, name: str, recipe: Recipe) -> None:
    cuts = cut(tmp_path / name, recipe)
    assert not any(piece.reencoded for piece in cuts)
    assert len(cuts) == recipe.seconds
    assert gapless(cuts)
    frames = [numbers(piece.media) for piece in cuts]
    assert [number for part in frames for number in part] == list(range(round(recipe.seconds * 25)))
    assert sum(piece.duration_ms for piece in cuts) == pytest.approx(1000 * recipe.seconds, abs=60)
    if name.endswith(".ts"):
        whole = sound_packets((tmp_path / name).read_bytes())
        assert [packet for piece in cuts for packet in sound_packets(piece.media)] == whole


def test_sound_goes_with_the_pictures_it_belongs_to(tmp_path: Path) -> None:
    for piece in cut(tmp_path / "a.mp4", Recipe(seconds=6, container="mp4")):
        heard_ms = len(DECODER.audio(piece.media)) / 32
        assert heard_ms == pytest.approx(piece.duration_ms, abs=60)


def test_joined_again_the_sound_is_the_source_s_sound(tmp_path: Path) -> None:
    cuts = cut(tmp_path / "a.ts", Recipe(seconds=6))
    whole = DECODER.audio((tmp_path / "a.ts").read_bytes())
    joined = b"".join(DECODER.audio(piece.media) for piece in cuts)
    assert len(joined) == pytest.approx(len(whole), abs=32 * 10)
    ours, theirs = (np.frombuffer(pcm, "<i2").astype(np.float64)[:90_000] for pcm in (joined, whole))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_a_foreign_codec_is_encoded_anew_without_losing_a_frame(tmp_path: Path) -> None:
    recipe = Recipe(seconds=4, container="matroska", video="libvpx", audio="libopus")
    (tmp_path / "a.webm").write_bytes(make_media(recipe))
    told: list[str] = []
    cuts = list(segments(tmp_path / "a.webm", 1.0, told.append))
    assert [len(told), all("does not carry" in line for line in told)] == [2, True]
    assert all("vp8" in piece.reencoded and "opus" in piece.reencoded for piece in cuts)
    assert gapless(cuts)
    assert [number for piece in cuts for number in numbers(piece.media)] == list(range(100))
    assert sum(len(DECODER.audio(piece.media)) / 32 for piece in cuts) == pytest.approx(4000, abs=60)


def test_a_kind_of_aac_that_mpegts_cannot_tell_does_not_end_the_push(tmp_path: Path) -> None:
    """The source says that its sound is xHE-AAC, of which none could be made here: nothing of it is heard."""
    film, (lc, usac) = make_media(Recipe(container="mp4")), (bytes([0x11, 0x90]), bytes([0xF9, 0x46]))
    told_at = film.index(lc, film.index(b"esds"))
    (tmp_path / "a.mp4").write_bytes(film[:told_at] + usac + film[told_at + 2 :])
    told: list[str] = []
    cuts = list(segments(tmp_path / "a.mp4", 1.0, told.append))
    assert told == ["the sound is encoded anew: MPEG-TS does not carry this kind of AAC"]
    assert gapless(cuts)
    assert [number for piece in cuts for number in numbers(piece.media)] == list(range(100))


def copied_to(container: str, recipe: Recipe, flags: str = "") -> bytes:
    """A sample in another container, its packets in the order of their times."""
    memory, options = BytesIO(), {"mpegts_flags": flags} if flags else {}
    media = make_media(recipe)
    with opened(media, MEDIA_FORMATS) as source, av.open(memory, "w", format=container, options=options) as out:
        tracks = {each.index: out.add_stream_from_template(each) for each in source.streams.get()}
        found = [packet for packet in source.demux() if packet.dts is not None]
        for packet in sorted(found, key=lambda packet: float((packet.dts or 0) * packet.time_base)):
            packet.stream = tracks[packet.stream_index]
            out.mux(packet)
    return memory.getvalue()


@pytest.mark.parametrize(("layout", "audio_hz"), [("mono", 48_000), ("5.1", 48_000), ("mono", 44_100)])
def test_sound_that_is_encoded_anew_may_change_its_form(tmp_path: Path, layout: str, audio_hz: int) -> None:
    """AAC as DVB has it."""
    recipes = Recipe(container="mp4"), Recipe(container="mp4", layout=layout, audio_hz=audio_hz)
    (tmp_path / "dvb.ts").write_bytes(b"".join(copied_to("mpegts", recipe, "latm") for recipe in recipes))
    cuts = list(segments(tmp_path / "dvb.ts", 2.0))
    assert gapless(cuts)
    assert all("aac_latm" in piece.reencoded for piece in cuts)
    for piece in cuts:
        assert len(DECODER.audio(piece.media)) / 32 == pytest.approx(piece.duration_ms, abs=60)


@pytest.mark.parametrize("gop", [25, 1000])
@pytest.mark.parametrize("every", [2, 5, 25])
def test_pictures_that_do_not_say_when_they_begin_follow_one_another(tmp_path: Path, gop: int, every: int) -> None:
    media = make_media(Recipe(seconds=6, gop=gop, b_frames=0))
    clips = []
    for name, each in (("timed.ts", media), ("rarely.ts", timed_rarely(media, every))):
        (tmp_path / name).write_bytes(each)
        clips.append([DECODER.clip(piece.media) for piece in segments(tmp_path / name, 1.0)])
    timed, rarely = ([[read_counter(frame) for frame in clip.frames] for clip in each] for each in clips)
    assert rarely == timed


def later(flv: bytes, by_ms: int) -> bytes:
    """The tags of an FLV file without its head, so much later, as a recorder adds those of a sender that began anew."""
    found, at = bytearray(), 13
    while at < len(flv):
        end = at + 15 + int.from_bytes(flv[at + 1 : at + 4])
        tag = bytearray(flv[at:end])
        now_ms = by_ms + int.from_bytes(bytes([tag[7], *tag[4:7]]))
        tag[4:8] = bytes([*(now_ms & 0xFFFFFF).to_bytes(3), now_ms >> 24])
        ends = tag[0] == 9 and tag[12] == 2
        found += b"" if ends or tag[0] == 18 else tag
        at = end
    return bytes(found)


def test_a_recording_whose_sender_began_anew_with_other_parameters_is_seen_to_its_end(tmp_path: Path) -> None:
    first, second = (copied_to("flv", Recipe(container="mp4", width=width, b_frames=0)) for width in (160, 320))
    (tmp_path / "show.flv").write_bytes(first[:13] + later(first, 0) + later(second, 4000))
    told: list[str] = []
    cuts = list(segments(tmp_path / "show.flv", 1.0, told.append))
    assert told == ["the pictures are encoded anew: the codec's parameters change"]
    assert gapless(cuts)
    assert [bool(piece.reencoded) for piece in cuts] == [False] * 4 + [True] * 4
    assert [number for piece in cuts for number in numbers(piece.media)] == [*range(100), *range(100)]


def quadrants(pixels: Frames) -> list[list[int]]:
    """The colours in the middle of each quarter of a picture (height, width, 3)."""
    height, width = pixels.shape[:2]
    return [pixels[y, x].tolist() for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def painted(container: str, codec: str, turned: int = 0, full_range: bool = False) -> bytes:
    """Two seconds of four colours, which are those of BT.709, as of every picture in HD."""
    pixels = np.zeros((96, 160, 3), np.uint8)
    pixels[:48, :80], pixels[:48, 80:] = (200, 30, 40), (40, 180, 60)
    pixels[48:, :80], pixels[48:, 80:] = (30, 60, 200), (240, 160, 120)
    memory = BytesIO()
    with av.open(memory, "w", format=container) as out:
        track = out.add_stream(codec, rate=25)
        assert isinstance(track, av.VideoStream)
        track.width, track.height, track.pix_fmt = 160, 96, "yuv420p"
        context, spread = track.codec_context, ColorRange.JPEG if full_range else ColorRange.MPEG
        context.bit_rate, context.thread_count, context.gop_size = 4_000_000, 1, 25
        context.colorspace, context.color_range = Colorspace.ITU709.value, spread.value
        track.set_display_rotation(turned)
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=spread)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return memory.getvalue()


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_pictures_of_a_phone_are_pushed_upright(tmp_path: Path, codec: str, turned: int) -> None:
    media = painted("mp4", codec, turned)
    (tmp_path / "phone.mp4").write_bytes(media)
    told: list[str] = []
    cuts = list(segments(tmp_path / "phone.mp4", 1.0, told.append))
    seen = DECODER.clip(media).frames[0]
    assert seen.shape[:2] == ((160, 96) if turned % 180 else (96, 160))
    for piece in cuts:
        pushed = DECODER.clip(piece.media).frames[0]
        assert pushed.shape == seen.shape
        assert np.allclose(quadrants(pushed), quadrants(seen), atol=4)
    assert (len(cuts), len(told)) == (2, bool(turned) or codec != "libx264")


@pytest.mark.parametrize("full_range", [False, True])
def test_encoded_anew_the_colours_are_the_source_s(tmp_path: Path, full_range: bool) -> None:
    media = painted("matroska", "libvpx-vp9", full_range=full_range)
    (tmp_path / "a.webm").write_bytes(media)
    wanted = quadrants(DECODER.clip(media).frames[0])
    for piece in segments(tmp_path / "a.webm", 1.0):
        assert np.allclose(quadrants(DECODER.clip(piece.media).frames[0]), wanted, atol=4)


def test_key_frames_too_far_apart_are_made_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(make_media(Recipe(seconds=5, gop=1000, container="mp4")))
    told: list[str] = []
    cuts = list(segments(tmp_path / "a.mp4", 1.0, told.append))
    assert told == ["the pictures are encoded anew: key frames are more than 2 s apart"]
    assert [piece.duration_ms for piece in cuts][:-1] == [1000] * 4
    assert gapless(cuts)
    assert [number for piece in cuts for number in numbers(piece.media)] == list(range(125))


def test_what_was_copied_before_stays_copied(tmp_path: Path) -> None:
    steady, long_gop = Recipe(seconds=3), Recipe(seconds=5, gop=1000)
    source = playlist(tmp_path, [make_media(steady), make_media(long_gop)], discontinuous=True)
    cuts = list(segments(source, 1.0))
    assert [bool(piece.reencoded) for piece in cuts] == [False] * 3 + [True] * 5
    assert gapless(cuts)
    assert [n for piece in cuts for n in numbers(piece.media)] == [*range(75), *range(125)]


def playlist(folder: Path, parts: list[bytes], discontinuous: bool = False) -> Path:
    """A finished HLS playlist on disk."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:6"]
    for number, part in enumerate(parts):
        (folder / f"part{number}.ts").write_bytes(part)
        lines += ["#EXT-X-DISCONTINUITY"] if discontinuous and number else []
        lines += ["#EXTINF:4.0,", f"part{number}.ts"]
    (folder / "list.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return folder / "list.m3u8"


def test_an_hls_playlist_is_one_source(tmp_path: Path) -> None:
    (tmp_path / "whole.ts").write_bytes(make_media(Recipe(seconds=6)))
    parts = [piece.media for piece in segments(tmp_path / "whole.ts", 2.0)]
    cuts = list(segments(playlist(tmp_path, parts, discontinuous=True), 1.0))
    assert gapless(cuts)
    assert [number for piece in cuts for number in numbers(piece.media)] == list(range(150))
    assert cuts[-1].start_ms + cuts[-1].duration_ms == pytest.approx(6000, abs=120)


def test_a_folder_of_segments_is_pushed_file_by_file(tmp_path: Path) -> None:
    parts = [make_media(Recipe(seconds=seconds)) for seconds in (2, 3)]
    for name, data in (("001.ts", parts[0]), ("002.ts", b"damaged"), ("003.ts", parts[1]), ("list.m3u8", b"#EXTM3U")):
        (tmp_path / name).write_bytes(data)
    cuts = list(segments(tmp_path, 4.0))
    assert [(piece.media, piece.start_ms, piece.duration_ms) for piece in cuts] == [
        (parts[0], 0, 2000),
        (b"damaged", 2000, 4000),
        (parts[1], 6000, 3000),
    ]


def test_fragments_in_a_folder_get_the_init_section_beside_them(tmp_path: Path) -> None:
    recipe = Recipe(seconds=3, container="mp4")
    init, *fragments = cut_for_hls(tmp_path / "hls", recipe, fragmented=True)
    folder = tmp_path / "show"
    folder.mkdir()
    for number, fragment in enumerate(fragments):
        (folder / f"chunk{number}.m4s").write_bytes(fragment)
    with pytest.raises(SourceUnreadable, match="0 init sections lie beside it, not 1; push its playlist instead"):
        list(segments(folder))
    (folder / "init.mp4").write_bytes(init)
    cuts = list(segments(folder))
    assert gapless(cuts)
    assert [piece.duration_ms for piece in cuts] == pytest.approx([1000] * 3, abs=60)
    assert [number for piece in cuts for number in numbers(piece.media)] == list(range(75))
    (folder / "whole.mp4").write_bytes(make_media(recipe))
    assert len(list(segments(folder))) == 4


def test_numbers_in_the_names_of_a_folder_count_as_numbers(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"index{number}.ts").write_bytes(b"%d" % number)
    assert [piece.media for piece in segments(tmp_path, 4.0)] == [b"%d" % number for number in range(12)]


def test_a_name_with_a_colon_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "09:00:00.ts").write_bytes(make_media(Recipe(seconds=2)))
    with contextlib.chdir(tmp_path):
        assert len(list(segments("09:00:00.ts", 1.0))) == 2


def film(path: Path, pictures_s: list[float], sound_s: float) -> Path:
    """Pictures at these times, each a key frame, and sound throughout."""
    with av.open(str(path), "w") as out:
        sight = out.add_stream("mpeg4", rate=10, options={"g": "1"})
        sight.width, sight.height, sight.pix_fmt = 64, 64, "yuv420p"
        sight.codec_context.time_base = Fraction(1, 1000)
        sound = out.add_stream("aac", rate=16_000, layout="mono")
        made = []
        for at_s in pictures_s:
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
            made += sight.encode(frame)
        made += sight.encode(None)
        for at in range(0, round(sound_s * 16_000), 1024):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 16_000, at, Fraction(1, 16_000)
            made += sound.encode(silence)
        made += sound.encode(None)
        for packet in sorted(made, key=lambda packet: float((packet.dts or 0) * packet.time_base)):
            out.mux(packet)
    return path


def shown_s(cuts: list[CutSegment]) -> list[float]:
    """The times of all pictures, from the beginning of the source."""
    found = []
    for piece in cuts:
        with opened(piece.media, MEDIA_FORMATS) as container:
            for packet in packets(container, container.streams.video[0]) if container.streams.video else ():
                found.append(round(piece.start_ms / 1000 + float((packet.pts or 0) * packet.time_base) - 1, 1))
    return found


def test_pictures_that_stand_still_stay_with_their_sound(tmp_path: Path) -> None:
    times = [*range(8), *range(22, 32)]
    cuts = list(segments(film(tmp_path / "freeze.mkv", [float(at) for at in times], 32), 4.0))
    assert shown_s(cuts) == pytest.approx(times, abs=0.15)
    assert gapless(cuts)
    assert sum(piece.duration_ms for piece in cuts) == pytest.approx(32_000, abs=150)


def test_sound_that_goes_on_without_pictures_is_cut_too(tmp_path: Path) -> None:
    cuts = list(segments(film(tmp_path / "long.mkv", [0.0, 1.0, 2.0, 200.0, 201.0], 260), 4.0))
    assert gapless(cuts)
    assert max(piece.duration_ms for piece in cuts) <= 70_000
    assert shown_s(cuts) == pytest.approx([0, 1, 2, 200, 201], abs=0.15)
    assert sum(piece.duration_ms for piece in cuts) == pytest.approx(260_000, abs=150)


def test_sound_alone_is_cut_by_time(tmp_path: Path) -> None:
    cuts = cut(tmp_path / "a.ts", Recipe(seconds=5, video=None), segment_s=2.0)
    assert len(cuts) == 3
    assert gapless(cuts)
    whole = sound_packets((tmp_path / "a.ts").read_bytes())
    assert [packet for piece in cuts for packet in sound_packets(piece.media)] == whole


def test_a_truncated_source_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    whole = make_media(Recipe(seconds=6))
    (tmp_path / "a.ts").write_bytes(whole[: len(whole) // 2])
    cuts = list(segments(tmp_path / "a.ts", 1.0))
    assert gapless(cuts)
    seen = [number for piece in cuts for number in numbers(piece.media)]
    assert seen[:50] == list(range(50))


@pytest.mark.parametrize("content", [None, b"", b"plain text"])
def test_a_source_that_is_none_is_refused_with_what_is_wanted(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(SourceUnreadable, match=r"a\.mp4 cannot be opened .* is wanted"):
        list(segments(tmp_path / "a.mp4"))


def test_cutting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    recipe = Recipe(seconds=3, container="mp4")
    assert cut(tmp_path / "a.mp4", recipe) == cut(tmp_path / "b.mp4", recipe)
