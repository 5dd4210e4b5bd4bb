"""TLS and SCRAM as a platform's cluster has them; and what is wrong is told with what to do about it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra import kafka
from infra.errors import BadSetting, NotRunning
from infra.settings import KafkaSecurity, Settings
from tests.infra.encrypted import Encrypted, encrypted
from tests.lost_sockets import loses_sockets

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def cluster(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    with encrypted(replace(service_settings, data=tmp_path_factory.mktemp("encrypted"))) as running:
        yield running


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_who_comes_over_tls_is_answered(cluster: Encrypted, mechanism: str) -> None:
    assert kafka.ask(cluster.addresses["GOOD"], cluster.tls(), within_s=60) == 1
    assert kafka.ask(cluster.addresses["SCRAM"], cluster.scram(mechanism=mechanism), within_s=60) == 1


@loses_sockets
@pytest.mark.parametrize(
    ("listener", "security", "do"),
    [
        ("GOOD", lambda cluster: cluster.tls("ELSEWHERE"), "set VITRINE_KAFKA_SSL_CAFILE to the PEM file of the auth"),
        ("OLD", lambda cluster: cluster.tls("OLD"), "renew the cluster's certificate"),
        ("ELSEWHERE", lambda cluster: cluster.tls("ELSEWHERE"), "name the brokers as their certificates do"),
        ("ASKS", Encrypted.tls, "set VITRINE_KAFKA_SSL_CERTFILE and VITRINE_KAFKA_SSL_KEYFILE"),
        ("GOOD", lambda _: KafkaSecurity(), "PROTOCOL to SSL or SASL_SSL|or security protocol"),
        ("PLAIN", Encrypted.tls, "VITRINE_KAFKA_SECURITY_PROTOCOL to PLAINTEXT"),
        ("SCRAM", lambda cluster: cluster.scram("guessed"), "wrong password|invalid credentials"),
    ],
)
def test_a_connection_that_is_not_to_be_had_so_says_what_to_do(
    cluster: Encrypted, listener: str, security: Callable[[Encrypted], KafkaSecurity], do: str
) -> None:
    with pytest.raises(NotRunning, match=do):
        kafka.ask(cluster.addresses[listener], security(cluster), within_s=2)
    gc.collect()


def test_a_file_without_what_it_must_hold_is_named_with_its_setting(cluster: Encrypted, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text("not a certificate")
    address, good = cluster.addresses["GOOD"], cluster.tls()
    with pytest.raises(BadSetting, match=r"SSL_CAFILE='.*other.pem': holds no certificate"):
        kafka.ask(address, replace(good, cafile=str(other)), within_s=2)
    with pytest.raises(BadSetting, match=r"SSL_CERTFILE='.*GOOD.pem': .*VITRINE_KAFKA_SSL_KEYFILE is not set"):
        kafka.ask(address, replace(good, certfile=good.cafile), within_s=2)
    with pytest.raises(BadSetting, match=r"SSL_CERTFILE='.*GOOD.pem': .*with its own key"):
        kafka.ask(address, replace(good, certfile=good.cafile, keyfile=str(other)), within_s=2)


def test_a_first_address_where_nobody_is_or_that_nobody_knows_is_passed_over(cluster: Encrypted) -> None:
    for first in ("127.0.0.1:1", "no-such-host.invalid:9092"):
        assert kafka.ask(f"{first},{cluster.addresses['GOOD']}", cluster.tls(), within_s=60) == 1


def test_a_host_that_nobody_knows_is_named() -> None:
    with pytest.raises(NotRunning, match=r"no address of no-such-host\.invalid is known here"):
        kafka.ask("no-such-host.invalid:9092", KafkaSecurity(), within_s=0.1)
