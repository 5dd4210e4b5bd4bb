"""``python -m tests.bench.world_texts``: what the shipped chain makes of the sound of the held-out videos and clips.

Writes ``encoders/models/evaluation/texts.jsonl`` from the whole validation and test splits, as `vitrine prepare` hears
and summarises them; to be run when the recogniser or the summarizer of the demo changes. About 2,600 clips of 30 s; a
run that was ended goes on where it was. `vitrine evaluate world` hears a share of them anew and compares.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from encoders.manifest import Split
from streams import world_evaluation as world

HEARD: tuple[Split, ...] = ("valid", "test")


def main() -> None:
    """Make the files, hear them, write their texts."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.world_texts", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".vitrine/evaluation"), help="as of `vitrine evaluate world`")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--texts", type=Path, default=world.COMMITTED / world.TEXTS)
    told = parser.parse_args()
    manifests = {split: world.make_files(split, told.out / split, told.jobs) for split in HEARD}
    heard = (world.prepared(manifests[split], told.out / f"{split}-heard", told.jobs) for split in HEARD)
    views = [view for split in heard for view in sorted(split, key=lambda view: view.view_id)]
    world.commit_texts(views, told.texts)


if __name__ == "__main__":
    main()
