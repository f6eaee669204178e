"""Says in words why a TLS connection did not come about, and what a person can do about it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

# OpenSSL's verify codes (X509_V_ERR_*).
NOT_YET_VALID, RUN_OUT, OTHER_NAME, OTHER_ADDRESS = 9, 10, 62, 64
NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
HOW_TO_GET_ONE = "to get one, enrol at an address that asks for none"
WANTS_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def explained(err: BaseException, *, ca_file: object, option: str) -> str:
    """What to do about `err` or what caused it, empty where TLS had no part in it.

    `ca_file` is the authority that was used, None or empty for the public ones; `option` is how one is named.
    """
    for cause in _causes(err):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _distrust(cause, ca_file, option)
        if isinstance(cause, ssl.SSLError) and cause.reason in NO_TLS:
            return "the server speaks no TLS there; are address and port right?"
        if isinstance(cause, ssl.SSLError) and cause.reason == WANTS_CERTIFICATE:
            return f"the server wants a certificate of this device; {HOW_TO_GET_ONE}"
    return ""


def _distrust(err: ssl.SSLCertVerificationError, ca_file: object, option: str) -> str:
    reason = f"the server's certificate is not trusted ({err.verify_message.rstrip('.')})"
    if err.verify_code in (NOT_YET_VALID, RUN_OUT):
        return f"{reason}; is this machine's clock right? If it is, the operator must renew the certificate"
    if err.verify_code in (OTHER_NAME, OTHER_ADDRESS):
        return f"{reason}; write the address as the certificate names the server"
    if ca_file:
        return f"{reason}: {ca_file} is not the authority that signed it; get the right one from the operator"
    return f"{reason}; get its authority's file (ca.pem) from the operator and name it: {option}"


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__
