"""The TLS side of Modbus/TCP Security."""

import ssl

from drivers.device.certificates import client_context
from ems.model.device import LinkSpec, TcpEndpoint


def tls_context(spec: LinkSpec) -> ssl.SSLContext | None:
    """Return how the peer is verified and we are known to it, None for a link without TLS.

    "MODBUS/TCP Security, Protocol Specification" (2018) asks for TLS 1.2 or newer and for certificates of both sides.

    Raises:
        ConfigError: A certificate or key cannot be used.
    """
    if not isinstance(spec.endpoint, TcpEndpoint) or spec.endpoint.tls is None:
        return None
    return client_context(spec.endpoint.tls, of=f"link '{spec.id}'")
