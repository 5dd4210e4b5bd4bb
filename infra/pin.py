"""The environment that runs this → ``constraints.txt``: every package at its exact version, and no registry's address.

``python -m infra.pin`` after an upgrade; ``make setup`` then installs the same versions everywhere.
"""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

NOT_PINNED = {"pip", "setuptools", "vitrine", "wheel"}  # what installs, and what is installed from here
HEAD = "# Exact versions that were tested together. Written by `python -m infra.pin`.\n"


def pin(path: Path) -> int:
    """Write the pins; how many there are."""
    found = {
        dist.metadata["Name"].lower().replace("_", "-"): dist.version.partition("+")[0] for dist in distributions()
    }
    rows = [f"{name}=={version}\n" for name, version in sorted(found.items()) if name not in NOT_PINNED]
    path.write_text(HEAD + "".join(rows))
    return len(rows)


if __name__ == "__main__":
    print(f"{pin(Path('constraints.txt'))} packages pinned in constraints.txt")
