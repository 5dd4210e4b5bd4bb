"""An embedded broker as a platform's own: users with passwords, and rights."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from infra import children, kafka, ports
from infra.settings import KafkaSecurity, Settings

USERS = {"owner": "owner-secret", "vitrine": "vitrine-secret"}


@dataclass(frozen=True, slots=True)
class Secured:
    """`plain`: where whoever comes may do everything; `sasl`: where users of the ``USERS`` have the rights given."""

    plain: str
    sasl: str

    def grant(self, resource: ResourceType, name: str, *operations: ACLOperation) -> None:
        """Give the user ``vitrine`` rights; return when the broker goes by them, a moment after it has taken them."""
        pattern, deadline = ResourcePattern(resource, name), time.monotonic() + 30
        given = [ACL("User:vitrine", "*", operation, ACLPermissionType.ALLOW, pattern) for operation in operations]
        with kafka.admin(self.plain, KafkaSecurity()) as client:
            client.create_acls(given)
            while not all(client.describe_acls(each)[0] for each in given):
                assert time.monotonic() < deadline
                time.sleep(0.05)


def user(name: str, password: str = "") -> KafkaSecurity:
    """How a user of the ``USERS`` comes; with another password where one is given."""
    return KafkaSecurity("SASL_PLAINTEXT", "PLAIN", name, password or USERS[name])


@contextmanager
def secured(settings: Settings) -> Iterator[Secured]:
    """The broker, while it runs."""
    folder = settings.data / "kafka"
    plain, control, sasl = ports.choose(folder / "ports.json", 0, 3, "")
    properties = kafka.write_properties(folder, plain, control)
    _secure(properties, plain, sasl)
    java = kafka.runtime(settings, print)
    kafka.format_once(folder, properties, java)
    child = children.start(kafka.broker_command(folder, java, properties), attached=True)
    try:
        kafka.ask(f"{ports.LOOPBACK}:{plain}", KafkaSecurity(), within_s=children.READY_WITHIN_S)
        yield Secured(f"{ports.LOOPBACK}:{plain}", f"{ports.LOOPBACK}:{sasl}")
    finally:
        child.stop()


def _secure(properties: Path, plain: int, sasl: int) -> None:
    """The last line of a name counts."""
    told = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    login = f"org.apache.kafka.common.security.plain.PlainLoginModule required {told};"
    both = f"PLAINTEXT://{ports.LOOPBACK}:{plain},SASL://{ports.LOOPBACK}:{sasl}"
    (control,) = (
        line.rpartition(",")[2] for line in properties.read_text().splitlines() if line.startswith("listeners=")
    )
    with properties.open("a") as more:
        more.write(f"listeners={both},{control}\n")
        more.write(f"advertised.listeners={both}\n")
        more.write("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT\n")
        more.write(f"sasl.enabled.mechanisms=PLAIN\nlistener.name.sasl.plain.sasl.jaas.config={login}\n")
        more.write("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n")
        more.write("super.users=User:ANONYMOUS;User:owner\n")
