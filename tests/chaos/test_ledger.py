"""Each check notices what it is there for, and only that; a run that is like its twin has nothing to hide."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.envelope import Record
from tests.chaos.journal import Journal
from tests.chaos.ledger import Books, Check, Complaint, Expected, Terminal, complaints, overtaken, sent, take_letter

pytestmark = pytest.mark.hermetic

STREAMS, SEGMENTS = ("a", "b"), 4


def match(stream: str, sequence: int, said: bytes = b"a mug", at_ms: int = 0) -> Terminal:
    name = f"{stream}/{sequence:06d}"
    return Terminal(name, name, said, at_ms, stream, sequence)


def calm() -> Books:
    terminals = [match(stream, number) for number in range(SEGMENTS) for stream in STREAMS]
    journal = Journal()
    for offset in range(3):
        journal.take(f"received matcher 0 {offset} \nfate matcher 0 {offset} used\n".encode())
        journal.take(f"done matcher 0 {offset} \nfinished matcher 0 {offset} used\n".encode())
    return Books(
        terminals=[*terminals, Terminal("x/0/1", "sent x", b"Malformed", 0)],
        rows={("a/000000", 0, 0, (1.0,))},
        products=2,
        inputs={("matcher", 0, offset) for offset in range(3)},
        journals=[journal],
        survivors=[journal],
    )


def lose(books: Books) -> None:
    books.terminals.pop(3)


def contradict(books: Books) -> None:
    books.terminals.append(replace(books.terminals[0], said=b"another"))


def say_under_two_ids(books: Books) -> None:
    books.terminals.append(replace(books.terminals[-1], record_id="x/0/2"))


def say_otherwise(books: Books) -> None:
    books.terminals[0] = replace(books.terminals[0], said=b"another")


def answer_more(books: Books) -> None:
    books.terminals.append(match("c", 0))


def swap(books: Books) -> None:
    books.terminals[0], books.terminals[2] = books.terminals[2], books.terminals[0]


def pass_unfinished(books: Books) -> None:
    books.overtaken = {("matcher", 0, 2)}


def drop_a_row(books: Books) -> None:
    books.rows = set()


def change_a_row(books: Books) -> None:
    books.rows = {("a/000000", 0, 0, (0.5,))}


def lose_a_product(books: Books) -> None:
    books.products = 1


def forget_a_fate(books: Books) -> None:
    books.journals[0].fates[("matcher", 0, 1)].clear()


def have_two_fates(books: Books) -> None:
    books.journals[0].take(b"fate matcher 0 1 dropped\n")


def count_in_and_not_out(books: Books) -> None:
    books.survivors[0].take(b"received matcher 0 1 \n")


def stop(books: Books) -> None:
    books.other.append(Complaint(Check.STOPPED, "a worker ended with 70"))


WRONGS: list[tuple[Callable[[Books], None], Check]] = [
    (lose, Check.LOST), (contradict, Check.TWO_ANSWERS), (say_under_two_ids, Check.TWO_ANSWERS),
    (say_otherwise, Check.UNLIKE), (answer_more, Check.UNLIKE), (swap, Check.ORDER),
    (pass_unfinished, Check.OVERTAKEN), (drop_a_row, Check.ROWS), (change_a_row, Check.ROWS),
    (lose_a_product, Check.ROWS), (forget_a_fate, Check.BALANCE), (have_two_fates, Check.BALANCE),
    (count_in_and_not_out, Check.COUNTERS), (stop, Check.STOPPED),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "check"), WRONGS, ids=lambda it: getattr(it, "__name__", str(it)))
def test_each_wrong_is_noticed_by_the_check_that_is_meant_for_it(wrong: Callable[[Books], None], check: Check) -> None:
    books = calm()
    wrong(books)
    found = {complaint.check for complaint in complaints(books, Expected([calm()]))}
    assert check in found
    assert found <= {check, Check.UNLIKE}  # what contradicts itself is unlike its twin as well


@given(st.lists(st.integers(0, 8), max_size=20))
def test_repeating_what_was_said_changes_nothing(again: list[int]) -> None:
    books = calm()
    books.terminals += [books.terminals[at] for at in again]
    assert complaints(books, Expected([calm()])) == []


def test_a_value_is_right_if_one_of_the_undisturbed_runs_has_it() -> None:
    books, other = calm(), calm()
    say_otherwise(books)
    say_otherwise(other)
    assert complaints(books, Expected([calm(), other])) == []


def test_what_the_run_alone_was_given_must_be_answered_as_expected() -> None:
    more = {"sent y": b"Malformed"}
    books = calm()
    assert [found.check for found in complaints(books, Expected([calm()], more))] == [Check.LOST]
    books.terminals.append(Terminal("y/0/1", "sent y", b"Malformed", 0))
    assert complaints(books, Expected([calm()], more)) == []


def test_recovery_ends_when_every_stream_has_its_next_match() -> None:
    books = Books(terminals=[match("a", 0, at_ms=1_000), match("b", 0, at_ms=1_100), match("a", 1, at_ms=2_500)])
    books.lifted_ms = 2_000
    books.terminals += [match("a", 0, at_ms=2_100), match("b", 1, at_ms=4_000), match("a", 2, at_ms=9_000)]
    assert books.recovery_s == 2.0
    assert calm().recovery_s is None


@given(st.dictionaries(st.tuples(st.just("matcher"), st.integers(0, 2)), st.integers(0, 5), max_size=3))
def test_a_commit_may_not_pass_what_is_not_done(committed: dict[tuple[str, int], int]) -> None:
    done = {(*place, offset) for place, end in committed.items() for offset in range(end)}
    assert overtaken(committed, done) == set()
    for missing in done:
        assert overtaken(committed, done - {missing}) == {missing}


def test_a_letter_without_an_id_is_named_by_what_was_sent() -> None:
    added = {"exception": b"Malformed", "topic": b"t", "partition": b"1", "offset": b"7", "id": b"t/1/7"}
    headers = {"h": b"1"} | {f"__streams.errors.{name}": said for name, said in added.items()}
    letter = take_letter(Record("d", 0, 0, b"k", b"v", headers, 5))
    assert (letter.record_id, letter.name) == ("t/1/7", sent(b"k", b"v", {"h": b"1"}))
    named = headers | {"__streams.errors.id": b"room/000001"}
    assert take_letter(Record("d", 0, 0, b"k", b"v", named, 5)).name == "room/000001"


@given(st.lists(st.integers(1, 30), max_size=20))
def test_a_journal_is_the_same_however_the_pipe_cuts_it(cuts: list[int]) -> None:
    text = b"received matcher 0 1 \nfate matcher 0 1 used\ndone matcher 0 1 \nstruck matcher 0 99 matcher, here, 3\n"
    whole, cut, rest = Journal(), Journal(), text
    whole.take(text)
    for length in [*cuts, len(text)]:
        cut.take(rest[:length])
        rest = rest[length:]
    assert cut == whole
    assert (whole.struck, whole.struck_ms, whole.done) == ("matcher, here, 3", 99, {("matcher", 0, 1)})
    assert deepcopy(whole) == whole
