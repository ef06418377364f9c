"""An OpenID Connect issuer of CI identity tokens on loopback: discovery document, keys, and tokens as GitHub and GitLab make them."""
from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Issuer:
    """Signs with its newest key; `asked` counts requests for its keys."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.asked = 0
        self.discovery: dict[str, Any] = {"issuer": url, "jwks_uri": f"{url}/keys"}
        self.rotate()

    def rotate(self, bits: int = 2048) -> str:
        """A new key beside the old ones."""
        kid = f"key-{len(self.keys) + 1}"
        self.keys[kid] = rsa.generate_private_key(65537, bits)
        return kid

    def document(self, path: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return self.discovery
        if path != "/keys":
            return None
        self.asked += 1
        return {"keys": [{**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}
                         for kid, key in self.keys.items()]}

    def token(self, audience: Any, claims: dict[str, Any], *, kid: str | None = None, algorithm: str = "RS256", key: Any = None, **overrides: Any) -> str:
        """A token for `audience`; `overrides` replace claims, None leaves them out."""
        now = int(time.time())
        body = {"iss": self.url, "aud": audience, "sub": "repo:acme/etl:ref:refs/heads/main", "iat": now, "nbf": now - 5, "exp": now + 300,
                "jti": str(uuid.uuid4()), **claims, **overrides}
        kid = kid or list(self.keys)[-1]
        return jwt.encode({name: value for name, value in body.items() if value is not None}, key if key is not None else self.keys[kid], algorithm=algorithm,
                          headers={"kid": kid})


GITHUB = {"repository": "acme/etl", "repository_id": "4711", "repository_owner_id": "12", "ref": "refs/heads/main", "ref_type": "branch", "sha": "a" * 40,
          "event_name": "push", "run_id": "99", "run_attempt": "1", "runner_environment": "github-hosted", "actor": "ada", "actor_id": "1815",
          "job_workflow_ref": "acme/etl/.github/workflows/etl.yml@refs/heads/main"}
GITLAB = {"project_id": "22", "project_path": "acme/etl", "namespace_id": "3", "ref": "main", "ref_type": "branch", "ref_protected": "true", "sha": "b" * 40,
          "pipeline_source": "push", "pipeline_id": "574", "job_id": "302", "runner_environment": "gitlab-hosted", "user_login": "ada",
          "user_email": "ada@example.org", "sub": "project_path:acme/etl:ref_type:branch:ref:main"}


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """The issuer, served until the block ends."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = issuer.document(self.path)
            body = json.dumps(found).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
