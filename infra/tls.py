"""What can be wrong with TLS, and what to do about it: the files that the settings name, and the cluster's certificate.

What one would get wrong: the clients name neither the setting nor the file, and one that is given an encrypted key asks
for its pass phrase on the terminal.
"""

from __future__ import annotations

import ssl

from infra.errors import BadSetting
from infra.settings import SETTINGS, KafkaSecurity

NO_TLS = (
    "this port does not seem to speak TLS: set VITRINE_KAFKA to one that does, or VITRINE_KAFKA_SECURITY_PROTOCOL to "
    "PLAINTEXT or SASL_PLAINTEXT"
)
REMEDIES = {
    "certificate has expired": "renew the cluster's certificate, or set this machine's clock",
    "certificate is not valid for": "name the brokers as their certificates do, in VITRINE_KAFKA and in their own "
    "advertised.listeners, or give them certificates with these names",
    "CERTIFICATE_VERIFY_FAILED": "set VITRINE_KAFKA_SSL_CAFILE to the PEM file of the authority that signed the "
    "cluster's certificate",
    "CERTIFICATE_REQUIRED": "the cluster asks for a client certificate: set VITRINE_KAFKA_SSL_CERTFILE and "
    "VITRINE_KAFKA_SSL_KEYFILE",
    "CERTIFICATE_UNKNOWN": "set VITRINE_KAFKA_SSL_CERTFILE to a client certificate of an authority that the cluster "
    "trusts",
    "UNEXPECTED_EOF_WHILE_READING": NO_TLS,
    "connection has been closed (EOF)": NO_TLS,
    "InvalidReceiveError": "this port does not seem to speak Kafka without TLS: set VITRINE_KAFKA_SECURITY_PROTOCOL to "
    "SSL or SASL_SSL, or VITRINE_KAFKA to another port",
    "UnsupportedSaslMechanismError": "set VITRINE_KAFKA_SASL_MECHANISM to one that the cluster takes",
}
"""What OpenSSL or kafka-python says → what to do; the first entry that fits counts."""


def remedy(why: str) -> str:
    """What to do about a connection that was lost for this reason; empty: nothing is known."""
    return next((told for said, told in REMEDIES.items() if said in why), "")


def refuse_bad_files(security: KafkaSecurity) -> None:
    """Raises `BadSetting` where a file of the settings does not hold what it must."""
    if "SSL" not in security.protocol:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if security.cafile:
        try:
            context.load_verify_locations(security.cafile)
        except OSError as failure:
            raise _bad("CAFILE", security.cafile, "holds no certificate in PEM form", failure) from failure
    if security.certfile:
        try:
            context.load_cert_chain(security.certfile, security.keyfile or None, password=lambda: "")
        except OSError as failure:
            lacks = "" if security.keyfile else ", and VITRINE_KAFKA_SSL_KEYFILE is not set"
            wrong = f"no certificate in PEM form with its own key, not encrypted{lacks}"
            raise _bad("CERTFILE", security.certfile, wrong, failure) from failure


def _bad(setting: str, file: str, wrong: str, failure: OSError) -> BadSetting:
    name = f"VITRINE_KAFKA_SSL_{setting}"
    return BadSetting(f"{name}={file!r}: {wrong} ({failure})", remedy=f"set it to: {SETTINGS[name]}")
