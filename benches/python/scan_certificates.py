"""Reads the certificates of a PEM file again and again with `cryptography`, for the bench `certificates`:

    python3 benches/python/scan_certificates.py FILE SECONDS

prints how many certificates it read with the facts that opsbox-cert has, and the CPU seconds of it.
"""

import sys
import time

from cryptography.hazmat.primitives import hashes
from cryptography.x509 import (
    DNSName,
    ExtensionNotFound,
    SubjectAlternativeName,
    load_pem_x509_certificates,
)


def facts(certificate):
    try:
        extension = certificate.extensions.get_extension_for_class(SubjectAlternativeName)
        names = extension.value.get_values_for_type(DNSName)
    except ExtensionNotFound:
        names = []
    return (
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.public_key(),
        certificate.signature_algorithm_oid,
        certificate.fingerprint(hashes.SHA256()),
        names,
    )


def main():
    with open(sys.argv[1], "rb") as file:
        text = file.read()
    count, end, before = 0, time.monotonic() + float(sys.argv[2]), time.process_time()
    while time.monotonic() < end:
        for certificate in load_pem_x509_certificates(text):
            facts(certificate)
            count += 1
    print(count, time.process_time() - before)


main()
