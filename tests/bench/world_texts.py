"""``python -m tests.bench.world_texts``: what the shipped chain makes of the sound of the held-out videos and clips.

Writes ``encoders/models/evaluation/texts.jsonl`` from the whole validation and test splits, as `vitrine prepare` hears
and summarises them; to be run when the recogniser or the summarizer of the demo changes. About 2,600 clips of 30 s; a
run that was ended goes on where it was. `vitrine evaluate world` hears a share of them anew and compares.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from encoders.engines import Domain
from encoders.manifest import Split, View
from streams import world_evaluation as world

HEARD: tuple[Split, ...] = ("valid", "test")


def lines(views: Iterable[View]) -> list[str]:
    """One line of JSON for each view that was heard, by the view's name."""
    heard = sorted((view for view in views if view.domain is not Domain.PAGE), key=lambda view: view.view_id)
    return [
        json.dumps({"view_id": view.view_id, "spoken": view.spoken or "", "text": view.text or ""}, ensure_ascii=False)
        for view in heard
    ]


def main() -> None:
    """Make the files, hear them, write their texts."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.world_texts", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".vitrine/evaluation"), help="as of `vitrine evaluate world`")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--texts", type=Path, default=world.COMMITTED / world.TEXTS)
    told = parser.parse_args()
    manifests = {split: world.make_files(split, told.out / split, told.jobs) for split in HEARD}
    heard = (world.prepared(manifests[split], told.out / f"{split}-heard", told.jobs) for split in HEARD)
    part = told.texts.with_suffix(".part")
    part.write_text("\n".join([*chain.from_iterable(map(lines, heard)), ""]), encoding="utf-8")
    part.replace(told.texts)


if __name__ == "__main__":
    main()
