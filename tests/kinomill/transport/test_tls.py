"""Errors of TLS and proxies, each with its own sentence and without a retry."""

from __future__ import annotations

import datetime
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kinomill import Client, Misdirected, Unreachable
from tests.api.serving import closed_port

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b'{"items": []}')

    def log_message(self, *_):
        pass


def certificate(folder, *, name="localhost", until=NOW + DAY):
    """Write a self-signed certificate and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - 9 * DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    path.write_bytes(built.public_bytes(pem) + key.private_bytes(pem, form, plain))
    return path


@contextmanager
def serving(path=None):
    """Serve over TLS with this certificate, or without TLS; yields the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    if path is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def ask(url):
    with Client(url, max_retries=3) as client:
        return client.list()


@pytest.mark.parametrize(
    ("options", "trusted", "message"),
    [
        ({}, False, "set SSL_CERT_FILE"),
        ({"until": NOW - DAY}, True, "has expired"),
        ({"name": "other"}, True, "for another host name"),
    ],
)
def test_each_fault_of_a_certificate_has_its_sentence(
    tmp_path, monkeypatch, options, trusted, message
):
    path = certificate(tmp_path, **options)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))

    with serving(path) as port, pytest.raises(Misdirected, match=message) as caught:
        ask(f"https://localhost:{port}")

    assert "retr" not in str(caught.value)


def test_the_certificate_of_an_own_authority_is_trusted(tmp_path, monkeypatch):
    path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    with serving(path) as port:
        assert len(ask(f"https://localhost:{port}")) == 0


def test_https_to_a_port_without_tls_is_named():
    with serving() as port, pytest.raises(Misdirected, match=f"use http://localhost:{port}"):
        ask(f"https://localhost:{port}")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_answer_is_named_without_its_password(monkeypatch, scheme):
    proxy = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv(f"{scheme}_proxy", f"http://ann:secret@{proxy}")

    with pytest.raises(Misdirected, match="NO_PROXY") as caught:
        ask(f"{scheme}://kinomill.test")

    assert proxy in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_api_on_this_machine_is_called_without_the_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    with serving() as port:
        assert len(ask(f"http://127.0.0.1:{port}")) == 0
    with pytest.raises(Unreachable) as caught:
        ask(f"http://127.0.0.1:{closed_port()}")
    assert "proxy" not in str(caught.value)
