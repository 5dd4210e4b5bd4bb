"""A language model's file → all files that it consists of: larger GGUF models are published in numbered parts."""

import re
from pathlib import Path

_PART = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")


def parts_of(path: Path) -> tuple[Path, ...]:
    """The parts in order, whether they are there or not; the file alone where its name is not that of a part."""
    told = _PART.fullmatch(path.name)
    if not told:
        return (path,)
    names = (f"{told['name']}-{number:05}-of-{told['count']}.gguf" for number in range(1, int(told["count"]) + 1))
    return tuple(path.with_name(name) for name in names)
