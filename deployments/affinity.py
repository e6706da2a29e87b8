"""Which replica of a pool a conversation prefers: the one that holds its beginning, which an engine
need not read again.

All gateway replicas choose alike, and know nothing of each other: a hash of the beginning orders
the replicas (rendezvous hashing). When a replica comes or goes, only its own conversations move.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from deployments.protocol import ModelRequest

_SLACK = 1
"""How many more requests of this gateway than the least busy one a preferred replica may have. To
read a beginning again costs less than to wait, and other gateways prefer this replica too."""
_CHARACTERS = 256
"""Of a text that is to be continued."""


class _Said(msgspec.Struct):
    messages: list[msgspec.Raw] = []
    prompt: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")
    query: msgspec.Raw = msgspec.Raw(b"")


class _Turn(msgspec.Struct):
    role: str = ""


_decode_said = msgspec.json.Decoder(_Said).decode
_decode_turn = msgspec.json.Decoder(_Turn).decode


def beginning(request: ModelRequest) -> bytes:
    """What all turns of a conversation have in common: the model, and its messages up to the first
    of the user; of a completion, of what is to be embedded, or of a query, the first characters."""
    name = request.model.encode()
    try:
        said = _decode_said(request.body)
        kept: list[bytes] = []
        for message in said.messages:
            kept.append(bytes(message))
            if _decode_turn(message).role == "user":
                break
    except msgspec.MsgspecError:
        return name
    text = bytes(said.prompt) or bytes(said.input) or bytes(said.query)
    return b"\0".join([name, *kept, text[:_CHARACTERS]])


def ranks(replicas: Mapping[str, int], request: ModelRequest) -> Mapping[str, tuple[int, bytes]]:
    """What sorts replicas in the order in which to ask them.

    Args:
        replicas: the number of requests of each, by its address.
        request: what is asked.
    """
    if len(replicas) < 2:
        return dict.fromkeys(replicas, (0, b""))
    least, said = min(replicas.values()), hashlib.blake2b(beginning(request)).digest()
    return {
        address: (
            max(0, ongoing - least - _SLACK),
            hashlib.blake2b(said + address.encode(), digest_size=8).digest(),
        )
        for address, ongoing in replicas.items()
    }
