"""The topology as text and as Mermaid: the pictures in the README are printed by this, from the table the code runs."""

from streams.topology import DEADLETTERS, FLOW, TOPICS, StageRow


def as_text() -> str:
    """One line for each stage, aligned: ``reads  → stage → writes``."""
    rows = [(row.reads.name, row.stage, _target(row)) for row in FLOW]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{reads:<{widths[0]}} → {stage:<{widths[1]}} → {target}" for reads, stage, target in rows]
    return "\n".join([*lines, f"{'anything undecodable or impossible':<{sum(widths) + 3}} → {DEADLETTERS.name}"])


def as_mermaid() -> str:
    """A Mermaid flowchart; topics are rounded, stages are boxes."""
    lines = ["flowchart LR"]
    lines += [f'  {_node(topic.name)}(["{topic.name}"])' for topic in TOPICS]
    for row in FLOW:
        lines.append(f'  {row.stage}["{row.stage}"]')
        lines.append(f"  {_node(row.reads.name)} --> {row.stage}")
        if row.writes:
            lines.append(f"  {row.stage} --> {_node(row.writes.name)}")
        if row.stores:
            lines.append(f'  {row.stage} -- upsert --> milvus[("Milvus")]')
        if row.searches:
            lines.append(f"  milvus -- search --> {row.stage}")
    return "\n".join(lines)


def _target(row: StageRow) -> str:
    parts = [row.writes.name] if row.writes else []
    return ", ".join([*parts, *([f"Milvus ({row.stores})"] if row.stores else [])])


def _node(name: str) -> str:
    return name.replace(".", "_")
