"""Google service accounts, and a token endpoint that checks what it is given."""

import base64
import json
import secrets
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs

from .provider import json_reply

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class ServiceAccount:
    """An account with a key of its own; `email` and `key_id` may be another's."""

    def __init__(self, email=None, key_id=None, bits=2048, region="us-central1"):
        self.email = email or f"bot-{secrets.token_hex(4)}@project-1.iam.gserviceaccount.com"
        self.key_id = key_id or secrets.token_hex(20)
        self.region = region
        made = subprocess.run(["openssl", "genrsa", str(bits)], capture_output=True, text=True, check=True)
        self.private_key = made.stdout
        self.public_key = subprocess.run(
            ["openssl", "rsa", "-pubout"], input=self.private_key, capture_output=True, text=True, check=True).stdout

    @property
    def secrets(self):
        """Lines of the private key that may show up nowhere."""
        return self.private_key.splitlines()[1:-1]

    def json(self, **changes):
        """The file that Google gives out, line breaks and all, with the region that this gateway wants."""
        return json.dumps({
            "type": "service_account", "project_id": "project-1", "private_key_id": self.key_id,
            "private_key": self.private_key, "client_email": self.email, "client_id": "1",
            "token_uri": "https://evil.example/token", "region": self.region, **changes}, indent=2)

    def base64(self):
        return base64.b64encode(self.json().encode()).decode()

    def claims(self, assertion):
        """The claims of an assertion that this account has signed."""
        head, claims, signature = assertion.split(".")
        with tempfile.TemporaryDirectory() as directory:
            key, proof = Path(directory, "key.pem"), Path(directory, "signature")
            key.write_text(self.public_key)
            proof.write_bytes(decoded(signature))
            checked = subprocess.run(
                ["openssl", "dgst", "-sha256", "-verify", key, "-signature", proof],
                input=f"{head}.{claims}".encode(), capture_output=True)
        assert checked.returncode == 0, "the signature is not this account's"
        assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        return json.loads(decoded(claims))


class TokenEndpoint:
    """Gives out `token-1`, `token-2`, … to one account, and a refusal to everybody else."""

    def __init__(self, account, expires_in=3599):
        self.account = account
        self.expires_in = expires_in
        self.given = 0
        self.claims = []

    def __call__(self, exchange):
        request = exchange.request
        assert (request.method, request.path) == ("POST", "/google-token")
        assert request.header("content-type") == "application/x-www-form-urlencoded"
        form = parse_qs(request.body.decode(), strict_parsing=True)
        assert set(form) == {"grant_type", "assertion"} and form["grant_type"] == [GRANT]
        try:
            claims = self.account.claims(form["assertion"][0])
            assert claims["iss"] == claims["sub"] == self.account.email
        except AssertionError:
            return json_reply({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)(exchange)
        assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 60
        assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        self.claims.append(claims)
        self.given += 1
        return json_reply({
            "access_token": f"ya29.token-{self.given}", "expires_in": self.expires_in, "token_type": "Bearer",
        })(exchange)
