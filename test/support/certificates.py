"""certificates.py FOLDER SIGNING_KEY...: a throw-away CA, one TLS certificate for loopback, and Matrix signing keys.

Writes FOLDER/ca.pem, tls.crt, tls.key and each SIGNING_KEY path that doesn't exist yet. The names in the certificate are spelled
out: Synapse refuses a wildcard.
"""
import datetime
import ipaddress
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from signedjson.key import generate_signing_key, write_signing_keys

NOW = datetime.datetime.now(datetime.timezone.utc)


def builder(name, issuer, key):
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(days=365))
    )


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def write(path, content):
    with open(path, "wb", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
        file.write(content)


def certificates(folder):
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = (
        builder("Aceso test CA", "Aceso test CA", ca_key)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = builder("localhost", "Aceso test CA", key).add_extension(x509.SubjectAlternativeName(names), False).sign(ca_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    write(f"{folder}/tls.key", key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    write(f"{folder}/tls.crt", leaf.public_bytes(pem))
    write(f"{folder}/ca.pem", ca.public_bytes(pem))


folder, signing_keys = sys.argv[1], sys.argv[2:]
if not os.path.exists(f"{folder}/ca.pem"):
    certificates(folder)
for path in signing_keys:
    if not os.path.exists(path):
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            write_signing_keys(file, [generate_signing_key("a_1")])
