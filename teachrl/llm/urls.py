"""Where an endpoint is, and whether a key may be sent there.

A key in plain http can be read by everyone on the way, so that http is for this machine only unless allowed.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from teachrl.llm.errors import NotConfigured

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint's address, checked.

    Attributes:
        url: Scheme, host, port and path, nothing else.
        host: Host and port, as kept in a cache.
        local: Whether it is this machine.
    """

    url: str
    host: str
    local: bool


def read_address(base_url: str, allow_http: bool = False) -> Address:
    """Checks an address; messages name its host and nothing else of it, since the rest may be a secret.

    Raises:
        NotConfigured: If it is none, is plain http to another machine, or carries a password or a query.
    """
    parts, host = _split(base_url)
    if parts.scheme not in ("http", "https") or not host:
        raise NotConfigured(f"base_url must be like {OPENAI!r}, got something without a scheme of http(s) or a host.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise NotConfigured(
            f"base_url of {host} has a user name, query or fragment, which would end up in logs. Leave them out; a key "
            "belongs in the environment variable that key_env names."
        )
    local = is_this_machine(parts.hostname or "")
    if parts.scheme == "http" and not local and not allow_http:
        raise NotConfigured(
            f"base_url is plain http to {host}, which is not this machine: key and prompts could be read on the way. "
            "Use https, or pass allow_http=True if you trust the network."
        )
    return Address(f"{parts.scheme}://{host}{parts.path.rstrip('/')}", host, local)


def is_this_machine(hostname: str) -> bool:
    """Tells whether a host name is `localhost` or a loopback address (127.0.0.0/8, ::1) written in full."""
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname.lower() == "localhost"


def without_secrets(base_url: str) -> str:
    """Returns an address without user name, password, query and fragment, fit for logs and configs."""
    parts, host = _split(base_url)
    if parts.scheme and host:
        return f"{parts.scheme}://{host}{parts.path}"
    return re.split(r"[?#]", base_url.split("@")[-1])[0]


def _split(base_url: str) -> tuple[SplitResult, str]:
    try:
        parts = urlsplit(base_url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return urlsplit(""), ""
    host = f"[{name}]" if ":" in name else name
    return parts, host if port is None else f"{host}:{port}"
