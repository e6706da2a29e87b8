"""Whom the connections to other servers trust."""

import os
import ssl

import certifi


def trusted_authorities() -> ssl.SSLContext:
    """The system's and certifi's authorities, or those that the environment names. It takes
    milliseconds: make one for many connections."""
    context = ssl.create_default_context()
    if not ("SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ):
        context.load_verify_locations(certifi.where())
    return context
