"""The name of a topic, a group or a worker → the run that it belongs to, or none: then it is not a run's to remove.

What one would get wrong: a run's name may have dots, begin as another one's does, or read like a topic. So a name is
read from its end, where one of the flow's own names must stand, and never goes by what it begins with.
"""

import re
from collections.abc import Collection, Iterable

from streams.topology import RUN_NAME, RUNS, STAGES, WRITTEN, group_id

SHORT = {stage: stage[:4] for stage in STAGES}
"""All of them in full, behind a run's name, may be too long for the name of a file."""


def run_of_topic(name: str) -> str | None:
    """The run that has this topic; None: production has it, or somebody else."""
    return _run_before((topic.name for topic in WRITTEN), name)


def run_of_group(name: str) -> str | None:
    """The run that has this consumer group; None: production has it, or somebody else."""
    return _run_before(map(group_id, STAGES), name)


def runs(topics: Iterable[str]) -> list[str]:
    """The names of the runs that have topics, and production, which has none."""
    return ["", *sorted({run for name in topics if (run := run_of_topic(name))})]


def workers_named(run: str, stages: Collection[str]) -> str:
    """What the workers of these stages are called: those of other stages have a `vitrine run` of their own."""
    theirs = [SHORT[stage] for stage in STAGES if stage in stages]
    apart = "" if len(theirs) == len(STAGES) else "".join(f"-{stage}" for stage in theirs)
    return f"{f'run-{run}-' if run else ''}worker{apart}"


def run_of_workers(name: str) -> str | None:
    """The run whose workers, or one of them, are called so; None: they are production's, or it is none's name."""
    found = re.fullmatch(rf"run-({RUN_NAME})-worker(-({'|'.join(SHORT.values())}))*(-[0-9]+)?", name)
    return found[1] if found else None


def _run_before(ends: Iterable[str], name: str) -> str | None:
    """At most one of the ends fits, since none ends with a dot and another one."""
    found = (re.fullmatch(rf"{re.escape(RUNS)}({RUN_NAME})\.{re.escape(end)}", name) for end in ends)
    return next((match[1] for match in found if match), None)
