"""``vitrine run``."""

import signal
import time

import click

from streams.commands.words import Finite, of_a_profile, of_stages, say, settings_for, usable_run
from streams.runs import workers_named
from streams.supervision import RestartPolicy
from streams.supervisor import Orders, Supervisor
from streams.topology import uses_milvus

CLI = ("-m", "streams.cli")
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command()
@click.option("--workers", type=click.IntRange(1, 1000), default=1, show_default=True, help="Worker processes.")
@of_stages
@click.option(
    "--run",
    "name",
    callback=usable_run,
    default="",
    help="Write only the topics and collections of this run (a replay).",
)
@of_a_profile
@click.option("--failures", type=click.IntRange(1), help="Give up after so many [default: VITRINE_FAILURES, 10].")
@click.option("--within-min", type=Finite(0.01),
              help="Failures of so many minutes count [default: VITRINE_FAILURES_WITHIN_MIN, 10].")  # fmt: skip
@click.option("--tidy-every-h", type=Finite(0), default=1.0, show_default=True,
              help="How often vitrine tidy runs; 0: never.")  # fmt: skip
@click.option("--show-log", is_flag=True, help="Show the workers' logs here too, as containers want them.")
def command(stages: tuple[str, ...], name: str, profile: str, tidy_every_h: float, **given: float | None) -> None:
    """Run workers, and start them again when they end.

    Starts Kafka too where it does not run, and Milvus where one of the stages uses it; what it started ends with it,
    also when it is killed. Ctrl-C and SIGTERM stop everything properly. A message that ends its worker three times
    becomes a gap or a dead letter (Crashed). Ends with 1 when the workers fail again and again. With VITRINE_MODE=live
    a stream that falls behind is given less, by named rules; without it, it is answered in full, later. Other --stages
    may have a vitrine run of their own on the same machine.

    \b
    Example: vitrine run --workers 2
    """
    settings = settings_for(profile)
    words = (*CLI, "worker", "--stages", ",".join(stages), "--run", name, "--profile", settings.profile)
    policy = RestartPolicy(
        int(given["failures"] or settings.failures), 60 * (given["within_min"] or settings.failures_within_min)
    )
    tidy = (*CLI, "tidy") if tidy_every_h else ()
    orders = Orders(words, int(given["workers"] or 1), workers_named(name, stages), policy, tidy, 3600 * tidy_every_h,
                    uses_milvus(stages))  # fmt: skip
    supervisor = Supervisor(settings, orders, _say, tell=say if given["show_log"] else None)
    for number in STOPS:
        if signal.getsignal(number) is signal.SIG_IGN:  # as nohup leaves SIGHUP
            continue
        signal.signal(number, lambda *_: supervisor.stop.set())
    supervisor.run()


def _say(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)
