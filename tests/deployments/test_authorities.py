"""`deployments.authorities`: certificates are checked, and the environment may say by whom."""

import ssl

from deployments.authorities import trusted_authorities


def test_certifis_authorities_are_trusted(monkeypatch):
    """Beside the system's; certificates and their names are checked."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)

    context = trusted_authorities()

    assert len(context.get_ca_certs()) > 50
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_nobody_else_than_the_environment_names(monkeypatch, tmp_path):
    """Here a file that names nobody."""
    nobody = tmp_path / "nobody.pem"
    nobody.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(nobody))

    assert trusted_authorities().get_ca_certs() == []
