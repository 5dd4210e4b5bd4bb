"""media bytes → sound, frames, stills, evidence: what the models are given to hear and to see.

A clip is not decoded whole: of each group of pictures that holds a wanted frame, everything from its key frame up to
the last wanted one; groups without a wanted frame are skipped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from math import inf

import av
import numpy as np
from av.video.reformatter import Interpolation

from encoders.containers import (
    MEDIA_FORMATS,
    PICTURE_FORMATS,
    PicturePacket,
    check_size,
    decoded,
    opened,
    packets,
    picture_decoder,
    picture_tracks,
    sound_decoder,
    sound_track,
)
from encoders.engines import FRAMES_PER_CLIP, SAMPLE_RATE_HZ, Clip, Frames, Unreadable
from encoders.webp import still
from schemas.reasons import Reason

SHEET_BYTES = 40_000
"""An evidence picture is at most this large: at the coarsest scale even eight frames of noise are."""
SHEET_HEIGHT = 120
WIDEST_TILE = 4 * SHEET_HEIGHT
"""A wider frame is squeezed: a JPEG ends at 65,500 pixels, and a banner's eight frames would be wider."""
HOLE_S, LONGEST_HOLE_S = 0.5, 60.0
"""Sound that does not come for so long is silence. Less is rounding, or how a track begins; more is another clock."""
_ROWS = 256
"""How many rows are mixed at a time: a whole picture of 50 megapixels would take a gigabyte on its way."""
_JPEG_SCALES = (3, 6, 10, 16, 24, 31)
"""libav's quantiser scales for JPEG, finest first."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Beyond these, media is refused before it can exhaust the machine."""

    pixels: int = 4096 * 2304
    picture_pixels: int = 50_000_000
    duration_ms: int = 600_000
    """The longest segment that an event may announce; short videos of the catalogue are shorter."""
    short_side: int = 320
    """Frames are scaled down to this while they are converted: more than any vision tower of a profile reads."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A run of packets that starts at a key frame, and the wanted times in it."""

    packets: Sequence[PicturePacket]
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Shot:
    pts: int
    pixels: Frames  # (height, width, 3)


class PyAvDecoder:
    """The `MediaDecoder` of every profile; equal bytes give equal samples and frames."""

    def __init__(self, limits: MediaLimits | None = None) -> None:
        self._limits = limits or MediaLimits()

    def audio(self, media: bytes) -> bytes:
        """The sound that everybody hears, mixed down and resampled."""
        with opened(media, MEDIA_FORMATS) as container:
            if (stream := sound_track(container)) is None:
                raise Unreadable(Reason.NO_AUDIO, "the media has no sound track")
            decoder, found = sound_decoder(stream), list(packets(container, stream))
            if not found:
                raise Unreadable(Reason.NO_AUDIO, "the sound track is empty")
            tracks = [stream, *picture_tracks(container)[:1]]
            begins_s = [_seconds(track.start_time, track.time_base) for track in tracks]
            place = _Place(stream.time_base, min((each for each in begins_s if each is not None), default=None))
            return self._as_pcm(decoded(found, decoder.decode), place)

    def clip(self, media: bytes) -> Clip:
        """8 frames of the first picture track, each the one that is on show at the centre of its part."""
        with opened(media, MEDIA_FORMATS) as container:
            stream = next(iter(picture_tracks(container)), None)
            if stream is None:
                raise Unreadable(Reason.NO_VIDEO, "the media has no picture track")
            decoder = picture_decoder(stream, self._limits.pixels)
            found = list(packets(container, stream))
            if all(packet.pts is None for packet in found):
                raise Unreadable(Reason.NO_VIDEO, "the picture track is empty")
            return self._clip(found, decoder, float(stream.time_base or 0) * 1000)

    def image(self, picture: bytes) -> Frames:
        """A JPEG, PNG, WebP or GIF, of which the first picture; what is transparent becomes white, as on a page."""
        with opened(still(picture), PICTURE_FORMATS) as container:
            picture_decoder(container.streams.video[0], self._limits.picture_pixels)
            for frame in container.decode(video=0):
                return _turned(self._scaled(_on_white(frame)), frame)[np.newaxis]
        raise Unreadable(Reason.UNDECODABLE, "the picture cannot be decoded")

    def _as_pcm(self, frames: Iterator[av.AudioFrame], place: "_Place") -> bytes:
        sound, limit = bytearray(), self._limits.duration_ms * SAMPLE_RATE_HZ * 2 // 1000
        for part in _resampled(frames, place):
            sound += part
            if len(sound) > limit:
                raise Unreadable(Reason.UNDECODABLE, f"the sound is longer than {self._limits.duration_ms} ms")
        if not sound:
            raise Unreadable(Reason.UNDECODABLE, "no sound could be decoded")
        return bytes(sound)

    def _clip(self, found: list[PicturePacket], decoder: av.VideoCodecContext, ms_per_tick: float) -> Clip:
        begin = min(packet.pts for packet in found if packet.pts is not None)
        length = _end(found, begin) - begin
        if length * ms_per_tick > self._limits.duration_ms:
            raise Unreadable(Reason.UNDECODABLE, f"the pictures last longer than {self._limits.duration_ms} ms")
        targets = [begin + offset for offset in central(length)]
        shots: list[_Shot] = []
        for group in _groups(found, targets):
            shots += self._shown_at(decoded(group.packets, decoder.decode), group.targets)
            decoder.flush_buffers()
        if not shots:
            raise Unreadable(Reason.UNDECODABLE, "no picture could be decoded")
        shots.sort(key=lambda shot: shot.pts)
        shots += shots[-1:] * (FRAMES_PER_CLIP - len(shots))
        same_size = [_resized(shot.pixels, shots[0].pixels.shape) for shot in shots]
        return Clip(np.stack(same_size), tuple(max(0, int((shot.pts - begin) * ms_per_tick)) for shot in shots))

    def _shown_at(self, frames: Iterator[av.VideoFrame], targets: Sequence[int]) -> list[_Shot]:
        """For each target the last frame that begins at or before it (or the first one there is)."""
        waiting, shots, held = list(targets), list[_Shot](), None
        for frame in frames:
            if frame.pts is None:
                if held is None:
                    continue
                frame.pts = (held.pts or 0) + held.duration
            while waiting and held is not None and frame.pts > waiting[0]:
                shots.append(self._shot(held))
                waiting.pop(0)
            if not waiting:
                return shots
            held = frame
        return shots + [self._shot(held)] * len(waiting) if held is not None else shots

    def _shot(self, frame: av.VideoFrame) -> _Shot:
        check_size(frame.width, frame.height, self._limits.pixels)
        return _Shot(frame.pts or 0, _turned(self._scaled(frame), frame))

    def _scaled(self, frame: av.VideoFrame) -> Frames:
        """RGB, scaled down while it is converted."""
        shrink = min(1.0, self._limits.short_side / min(frame.width, frame.height))
        width, height = max(1, round(frame.width * shrink)), max(1, round(frame.height * shrink))
        return _rgb(frame, width, height)


@dataclass(slots=True)
class _Place:
    """Where a track's sound is by its own clock, and what is missing of it."""

    tick: Fraction | None
    begin_s: float | None
    """Of the media; None: its clock is not known."""
    missing_s: float = 0.0
    """Before the frame that came last."""
    _heard_s: float = 0.0
    _next_s: float | None = None
    _holes: int = 0

    def stretch(self, frame: av.AudioFrame) -> tuple[str, str, int, int]:
        """Equal for frames that go on in one form: a resampler takes no other."""
        at_s, self.missing_s = _seconds(frame.pts, self.tick), 0.0
        due_s = self.begin_s if self._next_s is None else self._next_s
        if at_s is not None and due_s is not None and self.begin_s is not None:
            missing_s = min(at_s - due_s, at_s - self.begin_s - self._heard_s)
            if HOLE_S <= missing_s <= LONGEST_HOLE_S:
                self.missing_s, self._holes = missing_s, self._holes + 1
        length_s = frame.samples / max(1, frame.sample_rate)
        self._heard_s += self.missing_s + length_s
        self._next_s = None if (began_s := at_s if at_s is not None else due_s) is None else began_s + length_s
        return frame.format.name, frame.layout.name, frame.sample_rate, self._holes


def _resampled(frames: Iterator[av.AudioFrame], place: _Place) -> Iterator[bytes]:
    """PCM, mono, at the rate that models hear, silent where sound is missing. In mid-track another form may begin."""
    for _, alike in groupby(frames, place.stretch):
        yield bytes(2 * round(place.missing_s * SAMPLE_RATE_HZ))
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        for frame in alike:
            frame.pts = None  # with timestamps, the resampler fills gaps between them without a bound
            for part in resampler.resample(frame):
                yield part.to_ndarray().tobytes()
        for part in resampler.resample(None):
            yield part.to_ndarray().tobytes()


def _seconds(ticks: int | None, tick: Fraction | None) -> float | None:
    return None if ticks is None or tick is None else float(ticks * tick)


def clip_of(stills: Sequence[Frames]) -> Frames:
    """Still pictures, (1, height, width, 3) each, as one clip (stills, …), all as large as the first."""
    return np.concatenate([_resized(still[0], stills[0].shape[1:])[np.newaxis] for still in stills])


def central(length: int, parts: int = FRAMES_PER_CLIP) -> list[int]:
    """Which of `length` things in a row stand at the centres of equal parts; some twice where there are fewer."""
    return [length * (2 * part + 1) // (2 * parts) for part in range(parts)]


def contact_sheet(clip: Clip) -> bytes:
    """The frames of a clip in a row, as a JPEG of at most `SHEET_BYTES`: what a person looks at to check a match."""
    width = max(1, min(WIDEST_TILE, round(SHEET_HEIGHT * clip.frames.shape[2] / clip.frames.shape[1])))
    row = np.concatenate([_resized(frame, (SHEET_HEIGHT, width, 3)) for frame in clip.frames], axis=1)
    for scale in _JPEG_SCALES:
        sheet = _jpeg(np.ascontiguousarray(row), scale)
        if len(sheet) <= SHEET_BYTES:
            break
    return sheet


def _jpeg(pixels: Frames, scale: int) -> bytes:
    """One picture (height, width, 3) as a baseline JPEG."""
    encoder = av.VideoCodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.thread_count = "yuvj420p", 1
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"qmin": str(scale), "qmax": str(scale)}
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p", threads=1)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def _turned(pixels: Frames, frame: av.VideoFrame) -> Frames:
    """The pixels of a frame as they are to be seen: turned as its container or its Exif says."""
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _on_white(frame: av.VideoFrame) -> av.VideoFrame:
    has_palette = frame.format.name == "pal8"  # whose colours may be transparent, though no component of it is alpha
    if not (has_palette or any(component.is_alpha for component in frame.format.components)):
        return frame
    pixels = frame.to_ndarray(format="rgba", threads=1)
    mixed = np.empty((*pixels.shape[:2], 3), np.uint8)
    for top in range(0, len(pixels), _ROWS):
        part = pixels[top : top + _ROWS].astype(np.uint16)
        opacity = part[..., 3:]
        mixed[top : top + _ROWS] = (part[..., :3] * opacity + 255 * (255 - opacity)) // 255
    return av.VideoFrame.from_ndarray(mixed, format="rgb24")


def _resized(pixels: Frames, shape: tuple[int, ...]) -> Frames:
    if pixels.shape == shape:
        return pixels
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return _rgb(frame, shape[1], shape[0])


def _rgb(frame: av.VideoFrame, width: int, height: int) -> Frames:
    """Scaled while it is converted, on this thread: libav would start others for each picture, which cost more."""
    scaled = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation=Interpolation.AREA, threads=1)
    return np.asarray(scaled, np.uint8)


def _end(found: Sequence[PicturePacket], begin: int) -> int:
    """When the last picture has been shown. MPEG-TS need not say of each one when it begins: such a one adds itself."""
    end = begin
    for packet in found:
        length = packet.duration or 0
        end = end + length if packet.pts is None else max(end, packet.pts + length)
    return end


def _groups(found: Sequence[PicturePacket], targets: Sequence[int]) -> list[_Group]:
    """The groups of pictures that hold a target; without any key frame of a known time the whole is one group.

    Where times run backwards, as in streams that were joined, several groups hold it: the first one counts.
    """
    keys = [i for i, packet in enumerate(found) if packet.is_keyframe and packet.pts is not None] or [0]
    times = [-inf, *(found[i].pts or 0 for i in keys[1:]), inf]
    groups, left = [], list(targets)
    for (first, end), (begin, after) in zip(pairwise([*keys, len(found)]), pairwise(times), strict=True):
        if inside := tuple(t for t in left if begin <= t < after):
            groups.append(_Group(found[first:end], inside))
            left = [t for t in left if t not in inside]
    return groups
