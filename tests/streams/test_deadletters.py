"""A dead letter is anybody's record: whatever its headers say, it is listed, and steers nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from schemas.deadletter import PREFIX
from schemas.reasons import Reason
from schemas.room import RoomChanged
from streams.deadletters import as_line, as_text, read_letter
from streams.envelope import Record
from streams.reading import Reader, Stretch
from streams.replaying import NewestProducts, NotReplayable, again
from streams.topology import DEADLETTERS

pytestmark = pytest.mark.hermetic

MANY = b"1" * 5000
"""Python refuses to read a number of more than 4,300 digits."""


def letter_with(headers: dict[str, bytes]) -> Record:
    return Record(DEADLETTERS.name, 0, 7, b"room-7", b"?", headers, 1_795_424_400_000)


def test_headers_with_numbers_of_any_length_are_read_as_none() -> None:
    place = {"topic": b"live.segments", "partition": MANY, "offset": MANY}
    told = {PREFIX + name: said for name, said in place.items()} | {"ce_replay": MANY}
    told |= {"ce_dataref": b"file:/x", "ce_datasha256": b"a" * 64, "ce_datasize": MANY}
    letter = read_letter(letter_with(told))
    assert (letter.attempt, letter.origin, letter.reference) == (0, "?", None)


@pytest.mark.parametrize(("headers", "told"), [({}, "s/000001  ?"), ({"ce_replay": b"2"}, "s/000001 attempt 2  ?")])
def test_a_letter_of_a_replay_says_which_attempt_it_was(headers: dict[str, bytes], told: str) -> None:
    assert told in as_line(read_letter(letter_with({PREFIX + "id": b"s/000001"} | headers)))


def test_a_letter_whose_record_has_no_time_that_a_calendar_knows_is_shown_all_the_same() -> None:
    letter = read_letter(replace(letter_with({}), timestamp_ms=2**62))
    assert all(f"{2**62} ms" in told for told in (as_line(letter), as_text(letter, "none")))


def test_what_another_program_wrote_of_its_letter_cannot_steer_the_terminal() -> None:
    names = ("exception", "message", "topic", "stage", "id")
    told = {PREFIX + name: b"\x1b[2J\x1b]0;owned\x07X" for name in names}
    letter = read_letter(letter_with(told | {PREFIX + "partition": b"0", PREFIX + "offset": b"1"}))
    assert as_line(letter).isprintable()
    assert all(line.isprintable() for line in as_text(letter, "none").splitlines())


def test_a_room_that_changed_after_the_end_is_not_replayed_since_it_would_come_back() -> None:
    told = {PREFIX + "topic": b"live.segments", PREFIX + "partition": b"0", PREFIX + "offset": b"1",
            PREFIX + "exception": Reason.ENDED.value.encode(), "ce_type": RoomChanged.ce_type.encode()}  # fmt: skip
    with pytest.raises(NotReplayable, match="its broadcast is over") as refused:
        again(read_letter(letter_with(told)), lambda _: None, lambda _: None)
    assert refused.value.remedy == "vitrine deadletters drop ID"
    told[PREFIX + "exception"] = Reason.CRASHED.value.encode()
    assert again(read_letter(letter_with(told)), lambda _: None, lambda _: None).topic == "live.segments"


class Catalogue(Reader):
    """A catalogue's topic in memory, which counts the records that it gives."""

    def __init__(self, *keys: bytes) -> None:
        self.keys, self.given = list(keys), 0

    def stretches(self, topic: str, since_ms: int | None = None) -> list[Stretch]:
        return [Stretch(topic, 0, 0, len(self.keys))]

    def read(self, stretches: Iterable[Stretch]) -> Iterator[Record]:
        for stretch in stretches:
            for offset in range(stretch.start, stretch.end):
                self.given += 1
                yield Record(stretch.topic, 0, offset, self.keys[offset], b"", {}, 0)


def test_of_many_letters_of_products_the_catalogue_is_read_once() -> None:
    newest = NewestProducts(catalogue := Catalogue(b"p-1", b"p-2", b"p-1"))
    assert [newest.of(key) for key in (b"p-1", b"p-2", b"p-3")] == [2, 1, None]
    assert catalogue.given == 3
    catalogue.keys.append(b"p-2")
    assert (newest.of(b"p-2"), newest.of(b"p-1"), catalogue.given) == (3, 2, 4)
