"""Every way in which a message, or half of one, can fail to become a match: a closed list.

The members are the label values of the metrics, the reasons of gaps and dead letters, and the rows of the README's
table "how something can get lost". Nothing is ever dropped for a reason that is not here.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was dropped, left a gap, or became a dead letter."""

    DUPLICATE = "Duplicate"
    """The same id with the same content was applied before."""
    CONFLICT = "Conflict"
    """The same id came with other bytes; the first one counts, this one is a dead letter."""
    LATE = "Late"
    """Arrived after a later segment; the picture is used, the speech is not. Or a half that came after its other one
    had gone on alone; it is not used."""
    FORGOTTEN = "Forgotten"
    """So old, in a stream with so many holes, that it cannot be told whether it came before; a dead letter."""
    ENDED = "Ended"
    """The stream had already ended."""
    MALFORMED = "Malformed"
    """The envelope or the JSON cannot be read."""
    EMPTY = "Empty"
    """A segment or picture without bytes and reference, or a product with neither title nor image."""
    UNDECODABLE = "Undecodable"
    """The media, or one of its tracks, cannot be decoded."""
    NO_AUDIO = "NoAudio"
    """The segment has no audio track or no sound in it."""
    NO_VIDEO = "NoVideo"
    """The segment has no video track or no picture in it; a product without an image goes by its title."""
    FORBIDDEN = "Forbidden"
    """A ``dataref`` outside the allowed places."""
    MISSING = "Missing"
    """A ``dataref`` to an object that does not exist."""
    MISMATCH = "Mismatch"
    """The bytes behind a ``dataref`` differ from the stated sha256 or size."""
    TOO_LARGE = "TooLarge"
    """More bytes than the limit."""
    UNKNOWN_PRODUCT = "UnknownProduct"
    """A shelf names a product that the catalogue does not have."""
    UNPAIRED = "Unpaired"
    """The other half of the segment had not come when the stream ended, or when too many waited for theirs; the half
    that came is used alone."""
    FOREIGN = "Foreign"
    """Tokens of another vision tower, or a vector of another embedding space or length, than the one in use."""
    UNPARSEABLE = "Unparseable"
    """The language model's answer was not in the summary form; taken as empty."""
    SKIPPED = "Skipped"
    """The stream was too far behind; in `live` mode the segment was passed over to get to a newer one."""
    CRASHED = "Crashed"
    """The message ended the worker's process three times."""
