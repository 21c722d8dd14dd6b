"""The client's side of TLS: how a peer is verified and we are known to it."""

import ssl

from drivers.device.mapfiles import DEVICES_FILE
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import TlsFiles


def client_context(files: TlsFiles, *, of: str) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer that trusts `ca_file` alone; `of` names the table in devices.toml.

    Raises:
        ConfigError: A certificate or key cannot be used.
    """
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
            file=DEVICES_FILE,
            key=f"{of}.{key}",
            message=f"the certificates cannot be used: {error}",
            allowed="certificates and an unencrypted key in PEM form that belong together",
        )
        raise ConfigError(problem) from error
    return context
