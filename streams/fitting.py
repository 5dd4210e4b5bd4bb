"""a dead letter → the same, as small as its topic takes it, whatever was in the message that it is made from.

What one would get wrong: a broker counts what comes compressed, so a record may be many times larger than a topic takes
from this side; and a letter that cannot be written would stop its partition for ever.
"""

from collections.abc import Awaitable, Callable, Mapping

from schemas.reference import Reference
from streams.envelope import reference_attributes
from streams.topology import MAX_MESSAGE_BYTES

Message = tuple[bytes | None, bytes | None, dict[str, bytes]]
"""Key, value and headers."""
LARGEST_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""What Kafka writes around a record is counted too."""
HEADER_BYTES = 4096
"""Of a message that is too large, so much of each header is kept, and of the key."""
HEADERS_BYTES = 1024 * 1024
"""And so much of all of them, the first ones."""
AROUND_BYTES = 16
"""At most, for the lengths of a header's name and value."""


async def fitted(message: Message, added: dict[str, bytes], keep: Callable[[bytes], Awaitable[Reference]]) -> Message:
    """The message with the `added` headers. One that is too large has the beginnings of its headers, and its value is
    kept elsewhere: then ``ce_dataref`` says where."""
    key, value, headers = message
    if _size(key, value, headers | added) <= LARGEST_BYTES:
        return key, value, headers | added
    headers = _cut(headers)
    if value:
        place = reference_attributes(await keep(value))
        value, headers = b"", headers | {f"ce_{name}": said.encode() for name, said in place.items()}
    return (
        key[:HEADER_BYTES] if key else key,
        value,
        headers | {name: said[:HEADER_BYTES] for name, said in added.items()},
    )


def _cut(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    kept, left = dict[str, bytes](), HEADERS_BYTES
    for name, said in headers.items():
        left -= _size(None, None, {name: said[:HEADER_BYTES]})
        if left < 0:
            break
        kept[name] = said[:HEADER_BYTES]
    return kept


def _size(key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> int:
    around = sum(len(name.encode()) + len(said) + AROUND_BYTES for name, said in headers.items())
    return len(key or b"") + len(value or b"") + around
