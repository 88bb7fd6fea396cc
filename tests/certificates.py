"""Certificates for tests, made with the openssl command."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificates:
    """An authority, and certificates that it signed: a server's for 127.0.0.1 and a client's."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        """The file of a certificate or key: `ca`, `server_cert`, `server_key`, `client_cert`, `client_key`, ..."""
        return self.folder / f"{name}.pem"


def make_certificates(folder: Path, key_password: str = "hunter2") -> Certificates:
    """Make them in `folder`; `client_locked_key` is the client's key, encrypted. Skips the test without openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command, which makes the certificates")
    made = Certificates(folder)
    ca_key = folder / "ca_key.pem"
    _openssl("req", "-x509", *_new_key(ca_key), "-out", made.ca, "-subj", "/CN=test authority", "-days", "2")
    for name in ("server", "client"):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl("req", *_new_key(folder / f"{name}_key.pem"), "-out", request, "-subj", f"/CN={name}")
        signing = ("-CA", made.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, "-out", folder / f"{name}_cert.pem", *signing)
    locked = ("-out", made.client_locked_key, "-passout", f"pass:{key_password}")
    _openssl("pkcs8", "-topk8", "-in", made.client_key, *locked)
    return made


def _new_key(path: Path) -> list[object]:
    return ["-newkey", "rsa:2048", "-nodes", "-keyout", path]


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
