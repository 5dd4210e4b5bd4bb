"""The READMEs keep what the code says: flow, reasons, folders, commands, metrics; and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from infra.metrics import Metrics
from schemas.reasons import Reason
from streams.drawing import as_text

pytestmark = pytest.mark.hermetic
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("*/README.md")))}
ALL = "\n".join(PAGES.values())


def test_the_flow_is_drawn_as_the_table_has_it() -> None:
    assert f"```\n{as_text()}\n```" in README, "paste the output of `vitrine topology`"


def test_every_reason_is_explained_and_no_other() -> None:
    part = README.partition("<!-- reasons:begin")[2].partition("<!-- reasons:end")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", part, re.M)) == sorted(Reason)


def test_every_folder_of_the_table_is_there() -> None:
    named = re.findall(r"^\| `([a-z]+)/` \|", README, re.M)
    assert sorted(named) == sorted(path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file())


def test_every_command_that_is_shown_exists() -> None:
    commands = {path.stem for path in (ROOT / "streams" / "commands").glob("*.py")}
    shown = {word for line in ALL.splitlines() for word in re.findall(r"(?:^|`)vitrine (\w+)", line)}
    assert shown <= commands, shown - commands


def test_every_metric_is_named_as_prometheus_reads_it() -> None:
    read = {name for line in Metrics().text().decode().splitlines() for name in re.findall(r"^# TYPE (\w+)", line)}
    named = set(re.findall(r"`(vitrine_\w+)", ALL))
    assert named <= read, named - read


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    assert len(PAGES) > 3
    for page, text in PAGES.items():
        for place in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            path, _, heading = place.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{page.relative_to(ROOT)}: {place}"
            assert not heading or heading in headings(target), f"{page.relative_to(ROOT)}: {place}"


def test_every_section_that_a_message_sends_to_is_there() -> None:
    sources = [path for folder in ("encoders", "infra", "streams") for path in (ROOT / folder).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    sent = re.findall(r"([\w/]*README\S*),[\s\"]+'([^']+)'", text)
    assert len(sent) >= 4
    for page, section in sent:
        assert f"\n## {section}\n" in (ROOT / page).read_text(encoding="utf-8"), f"{page}, {section!r}"


def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
