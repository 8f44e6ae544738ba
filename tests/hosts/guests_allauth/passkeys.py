"""Passkeys made in software, as a browser and its authenticator make them (WebAuthn, level 2)."""

from __future__ import annotations

import json
import secrets
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData


def make(options: dict[str, Any], host: str = "testserver") -> dict[str, Any]:
    """Return what a browser sends after a person has agreed to make a passkey for a site."""
    asked = options["publicKey"]
    made = {"type": "webauthn.create", "challenge": asked["challenge"], "origin": f"https://{host}"}
    flag = AuthenticatorData.FLAG
    name, key = secrets.token_bytes(16), ec.generate_private_key(ec.SECP256R1())
    public = ES256.from_cryptography_key(key.public_key())
    data = AuthenticatorData.create(
        sha256(asked["rp"]["id"].encode()).digest(),
        flag.UP | flag.UV | flag.AT,
        0,
        AttestedCredentialData.create(Aaguid.NONE, name, public),
    )
    return {
        "id": websafe_encode(name),
        "rawId": websafe_encode(name),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(json.dumps(made).encode()),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        },
        "clientExtensionResults": {"credProps": {"rk": True}},
    }
