"""The key of an endpoint, which is read from the environment and shown to nobody."""

from __future__ import annotations

import os

from teachrl.llm.errors import NotConfigured

SHORTEST = 8
"""Characters of a key that is hidden; what a local server takes instead of one, such as `x`, is in any answer."""


class Key(str):
    """A key that does not show itself in a `repr`, such as those of local variables in a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def hidden_in(self, text: str) -> str:
        """Takes the key out of a text: some servers repeat it in their errors."""
        if len(self) < SHORTEST:
            return text
        return text.replace(self, "***").replace(self.replace("/", "\\/"), "***")  # JSON may write "/" as "\/"


def read_key(key_env: str) -> Key:
    """Reads the key out of an environment variable; empty if there is none.

    Raises:
        NotConfigured: If it has characters that no key has.
    """
    key = Key(os.environ.get(key_env, "").strip())
    if not (key.isascii() and key.isprintable()):
        raise NotConfigured(f"The environment variable {key_env} holds characters that no key has; set it anew.")
    return key
