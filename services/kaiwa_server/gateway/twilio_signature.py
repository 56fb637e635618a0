"""Whether it is Twilio that calls: the signature of its requests.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import base64
import hashlib
import hmac
from pathlib import Path

HEADER = "X-Twilio-Signature"


class TwilioSignature:
    """Knows an account's auth token, which Twilio signs with."""

    def __init__(self, auth_token: str) -> None:
        self._key = auth_token.encode()

    def is_of(self, host: str, raw_path: str, signature: str) -> bool:
        """Whether a signature is that of a WebSocket's request.

        It is the base64 of an HMAC-SHA1 over the URL as the TwiML has it, which is always `wss`,
        with its query if it has one; a GET has no parameters besides.

        Args:
            host: what the request calls this host.
            raw_path: its path and query, as they came.
            signature: its header `X-Twilio-Signature`.
        """
        url = f"wss://{host}{raw_path}".encode()
        digest = hmac.new(self._key, url, hashlib.sha1).digest()
        # Bytes, since a header may hold what is not ASCII.
        return hmac.compare_digest(base64.b64encode(digest), signature.encode(errors="replace"))


def read_signature(auth_token_file: Path | None) -> TwilioSignature | None:
    """Reads the auth token that an operator names; None where none is.

    Raises:
        SystemExit: the file cannot be read, or is empty.
    """
    if auth_token_file is None:
        return None
    try:
        token = auth_token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"--twilio-auth-token-file: cannot read it: {error}") from None
    if not token:
        raise SystemExit(
            f"--twilio-auth-token-file: {auth_token_file} is empty: write the auth token of the "
            "Twilio account into it"
        )
    return TwilioSignature(token)
