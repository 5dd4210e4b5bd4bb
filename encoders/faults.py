"""What is wrong with a model's files, as two kinds of failure; each names the file and says what is wrong with it.

MissingModel            a file or folder of a model is not where it should be
BrokenModel             it is there and cannot be used: not of its format, cut off, or not what another file says
└── BadThresholds       the same of a file of thresholds (see encoders/thresholds.py)

Both are raised when a model is loaded, never when it is asked: so a worker finds them before it takes a message.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
OBJECT = TypeAdapter(dict[str, Any])
"""Any JSON object."""

UNFIT = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What the models' libraries raise of sizes, names and tensors that they cannot use; none has an error of its own."""


class MissingModel(FileNotFoundError):
    """A profile's model, or one of its files, is not where it should be."""


class BrokenModel(ValueError):
    """A file of a model is there and cannot be used."""


class BadThresholds(BrokenModel):
    """A file of thresholds that cannot be read, or holds those of a space that has no place there."""


@contextmanager
def naming(at: Path | str, *failures: type[Exception]) -> Iterator[None]:
    """One of these failures becomes a `BrokenModel` that begins with the file or folder.

    Those that name their file already stay as they are, and so does a lack of memory on the device, which is no fault
    of the file's.
    """
    try:
        yield
    except (MissingModel, BrokenModel):
        raise
    except failures as failure:
        if "out of memory" in str(failure):
            raise
        raise BrokenModel(f"{at}: {one_line(failure)}") from failure


def must_be_there(*files: Path) -> None:
    """Raises `MissingModel` for the first that is missing, `BrokenModel` for one that is no file or cannot be read."""
    for file in files:
        try:
            file.open("rb").close()
        except FileNotFoundError as missing:
            raise MissingModel(f"{file} is missing") from missing
        except OSError as failure:
            raise BrokenModel(f"{file}: {failure.strerror}") from failure


def read_bytes(file: Path) -> bytes:
    """The whole file. Raises `MissingModel`, and `BrokenModel` where it cannot be read."""
    must_be_there(file)
    with naming(file, OSError):
        return file.read_bytes()


def read_as(form: TypeAdapter[T], file: Path) -> T:
    """The JSON of a file in this form, each value of exactly its type. Raises `MissingModel`, `BrokenModel`."""
    told = read_bytes(file)
    try:
        return form.validate_json(told, strict=True)
    except ValidationError as wrong:
        raise BrokenModel(f"{file}: {_first_of(wrong)}") from wrong


def _first_of(wrong: ValidationError) -> str:
    """The first of a form's complaints: ``shape.dim: Input should be a valid integer``."""
    first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


def one_line(failure: Exception) -> str:
    """The first paragraph of what a library says; before it its kind, where the words alone say too little."""
    if isinstance(failure, ValidationError):
        return _first_of(failure)
    said = " ".join(str(failure).partition("\n\n")[0].split())[:300]
    bare = isinstance(failure, ArithmeticError | AttributeError | LookupError | MemoryError)
    return said if said and not bare else ": ".join(filter(None, (type(failure).__name__, said)))
