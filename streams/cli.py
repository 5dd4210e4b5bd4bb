"""``vitrine``: the command line. `COMMANDS` is the table of contents; a command's file is loaded when it is called.

Every named failure (`infra.errors.InfraError`) is printed as what happened, the log and the remedy, and ends with 1.
So is a folder that cannot be written. A wrong word on the command line ends with 2, Ctrl-C with 130. Anything else is
our bug, and shows its traceback.
"""

import errno
import importlib
import os
import sys

import click

from infra.errors import InfraError

COMMANDS = {
    "up": "Start Kafka and Milvus where they do not run, and make the topics.",
    "down": "Stop the embedded Kafka and Milvus; their data stay.",
    "doctor": "Say what is installed and reachable, and the remedy for what is not.",
    "demo": "Play the demo broadcast and score its matches.",
    "calibrate": "Choose the thresholds of a match on labelled segments.",
    "push": "Push a broadcast: a file, a folder of segments, or a URL.",
    "catalog": "Load products into the catalogue, or delete one.",
    "room": "Change the room of a running broadcast.",
    "run": "Run workers, and start them again when they end.",
    "worker": "Run stages of the flow until stopped.",
    "matches": "Show the matches as they come.",
    "board": "Show the answers in a browser, as they come.",
    "why": "Tell how a match came about.",
    "status": "Say for each room and stage how far it is.",
    "deadletters": "List the dead letters, show one, send it again, or drop it.",
    "tidy": "Remove what is older than VITRINE_RETENTION_DAYS: records, objects, live rows, folders, logs.",
    "forget": "Remove a stream everywhere, and say what is left of it where, and until when.",
    "runs": "List the runs, or delete some: what vitrine worker --run NAME has left.",
    "topology": "Print the flow as text, Mermaid or AsyncAPI.",
    "manifest": "Write the manifest of a published data set.",
    "prepare": "Make the transcripts, texts and visual tokens of a manifest of views.",
    "train": "Train a network on a prepared manifest.",
    "evaluate": "Measure how well the system finds products.",
    "models": "List the model profiles, pull or verify their files, or assemble a network of your own.",
}
"""Name, which is also that of its file in `streams/commands/` → the first line of its help; in the order of use."""

INTERRUPTED = 130
"""128 + SIGINT, as shells expect."""
UNUSABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
"""A disk is full, a folder belongs to somebody else or may only be read, or a file lies in its place."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and one line of each, and loads nothing else to list them."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        loaded = importlib.import_module(f"streams.commands.{cmd_name}")
        command = loaded.command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitrine")
def vitrine() -> None:
    """Say which catalogue product a live-commerce stream is showing, while it runs.

    Settings are environment variables (vitrine doctor lists them).

    \b
    Example: vitrine demo
    """


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """The exit status of one command; failures are told on stderr."""
    try:
        answer = vitrine.main(arguments, prog_name="vitrine", standalone_mode=False)
    except InfraError as failure:
        tell(failure)
        return 1
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as failure:
        if failure.errno not in UNUSABLE:
            raise
        tell(_unusable(failure))
        return 1
    return answer if isinstance(answer, int) else 0


def _unusable(failure: OSError) -> InfraError:
    where = f": {failure.filename}" if failure.filename else ""
    remedy = "make room, give the right to write there, or name another folder; vitrine doctor says which are used"
    return InfraError(f"a file cannot be written, {failure.strerror}{where}", remedy=remedy)


def tell(failure: InfraError) -> None:
    """What, log, remedy: one line each, on stderr."""
    click.echo(f"error: {failure.what}", err=True)
    if failure.log:
        click.echo(f"log: {failure.log}", err=True)
    if failure.remedy:
        click.echo(f"remedy: {failure.remedy}", err=True)


if __name__ == "__main__":
    main()
