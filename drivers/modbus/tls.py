"""The TLS side of Modbus/TCP Security."""

import ssl

from ems.errors import ConfigError, ConfigProblem
from ems.model.device import LinkSpec, TcpEndpoint

# the file that names the certificates, for errors about them
_DEVICES_FILE = "devices.toml"


def tls_context(spec: LinkSpec) -> ssl.SSLContext | None:
    """Return how the peer is verified and we are known to it, None for a link without TLS.

    "MODBUS/TCP Security, Protocol Specification" (2018) asks for TLS 1.2 or newer and for certificates of both sides.

    Raises:
        ConfigError: A certificate or key cannot be used.
    """
    if not isinstance(spec.endpoint, TcpEndpoint) or spec.endpoint.tls is None:
        return None
    files = spec.endpoint.tls
    key = "ca_file"
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.cert_file is not None:
            key = "cert_file"
            # an encrypted key would make OpenSSL ask at the terminal
            context.load_cert_chain(files.cert_file, files.key_file, password="")
    except (OSError, ValueError) as error:
        problem = ConfigProblem(
            file=_DEVICES_FILE,
            key=f"link '{spec.id}'.{key}",
            message=f"the certificates cannot be used: {error}",
            allowed="certificates and an unencrypted key in PEM form that belong together",
        )
        raise ConfigError(problem) from error
    return context
