"""Certificates for tests, made by the openssl command of the system."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that signs itself, and its key."""

    cert_file: Path
    key_file: Path

    def server_context(self, *, client: "Certificate | None" = None) -> ssl.SSLContext:
        """Return the server's side of a connection; with `client` only that one is let in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert_file, self.key_file)
        if client is not None:
            context.load_verify_locations(client.cert_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def certificate(directory: Path, name: str) -> Certificate:
    """Make a certificate for a host name."""
    made = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(made.key_file), "-out", str(made.cert_file), "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made
