"""An OpenID Connect provider on this machine, which signs real tokens and says what a test wants."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.support.web import Asked, Reply, WebServer

CLIENT_ID, CLIENT_SECRET = "pli", "what the provider shares with us"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """``claims`` go over what an honest token says; ``key`` and ``algorithm`` are what it is signed with."""

    def __init__(self) -> None:
        self.published = self.key = new_key()
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {}
        self.asked_for: dict[str, str] = {}
        self.server = WebServer(self._answer)

    @property
    def url(self) -> str:
        return self.server.url

    def authorize(self, address: str) -> str:
        """What a person does there: they sign in, and are sent back. Returns the address they are sent to."""
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.url}/authorize"
        self.asked_for = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert self.asked_for["client_id"] == CLIENT_ID
        query = urlencode({"code": "once", "state": self.asked_for["state"]})
        return f"{urlsplit(self.asked_for['redirect_uri']).path}?{query}"

    def _answer(self, asked: Asked) -> Reply:
        if asked.path == "/.well-known/openid-configuration":
            return Reply(body=self._description())
        if asked.path == "/keys":
            published = json.loads(RSAAlgorithm.to_jwk(self.published.public_key()))
            return Reply(body={"keys": [published | {"kid": "one", "use": "sig", "alg": "RS256"}]})
        if asked.path == "/token":
            return self._token(parse_qs(asked.body.decode()))
        return Reply(404)

    def _description(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def _token(self, form: dict[str, list[str]]) -> Reply:
        proof = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        if base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != self.asked_for["code_challenge"]:
            return Reply(400, {"error": "invalid_grant"})
        if form["client_secret"] != [CLIENT_SECRET]:
            return Reply(401, {"error": "invalid_client"})
        moment = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "person-1",
            "iat": moment,
            "exp": moment + 300,
            "nonce": self.asked_for["nonce"],
            **self.claims,
        }
        key: Any = self.key if self.algorithm.startswith("RS") else None
        token = jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": "one"})
        return Reply(body={"access_token": "a", "token_type": "Bearer", "id_token": token})
