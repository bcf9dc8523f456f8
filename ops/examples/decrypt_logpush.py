"""Reads pushed files and decrypts what was encrypted for a gateway's public key.

    pip install cryptography
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem      # its text is the gateway's logpush_public_key
    python3 decrypt_logpush.py private.pem FILE.log.gz …
"""

import base64
import gzip
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


def decrypted(value, private_key):
    """The text of a field: encrypted ones are objects, the others are told as they are."""
    if not isinstance(value, dict) or "key" not in value:
        return value
    key = private_key.decrypt(base64.b64decode(value["key"]), OAEP)
    # The tag of 16 bytes stands behind the ciphertext, where AESGCM expects it.
    text = AESGCM(key).decrypt(base64.b64decode(value["iv"]), base64.b64decode(value["data"]), None)
    return text.decode(errors="replace")


with open(sys.argv[1], "rb") as pem:
    private_key = serialization.load_pem_private_key(pem.read(), password=None)
for path in sys.argv[2:]:
    with gzip.open(path) as lines:
        for line in lines:
            row = json.loads(line)
            for name in ("Metadata", "RequestBody", "ResponseBody"):
                row[name] = decrypted(row.get(name), private_key)
            print(json.dumps(row))
