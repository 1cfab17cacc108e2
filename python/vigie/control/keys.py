"""Keys of clients (CURVE) and the agents they are bound to: files of the state folder, read again when they change.

`clients.json` is the list (`vigie keys` writes it); taking a client off it ends what he may at his next message.
`server.json` holds the service's own pair. Both 0600. Keys are in Z85, as ZeroMQ writes them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from vigie.control.parties import Party
from vigie.durable import replace_file
from vigie.errors import InvalidArgumentError, NotFoundError, StateUnreadableError, StateUnwritableError

CLIENTS = "clients.json"
SERVER = "server.json"


@dataclass(frozen=True)
class ClientKey:
    """One client. `trusted_host`: its `on_behalf_of` is believed."""

    agent: str
    public_key: str
    administrator: bool = False
    trusted_host: bool = False


@dataclass(frozen=True)
class Pair:
    """A key pair."""

    public: str
    secret: str


class Keys:
    """Who is behind a key. Thread: one."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CLIENTS
        self._seen: tuple[int, int, int] | None = None
        self._clients: dict[str, ClientKey] = {}

    def refresh(self) -> None:
        """Reads the list again where it has changed. A file that cannot be read: nobody has any key."""
        try:
            status = self._path.stat()
            now = (status.st_mtime_ns, status.st_size, status.st_ino)
            if now != self._seen:
                self._clients = {client.public_key: client for client in read_clients(self._path)}
                self._seen = now
        except (OSError, StateUnreadableError):
            self._clients, self._seen = {}, None

    def party(self, public_key: str) -> Party | None:
        """The party of a key as of the last `refresh`, or None where nobody has it."""
        client = self._clients.get(public_key)
        return None if client is None else Party(client.agent, client.administrator, client.trusted_host)


def read_clients(path: Path) -> list[ClientKey]:
    """The list. Raises: StateUnreadableError."""
    try:
        return [ClientKey(**item) for item in json.loads(path.read_text(encoding="utf-8"))["clients"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateUnreadableError(f"not a list of clients: {type(error).__name__}", str(path)) from None


def add_client(folder: Path, client: ClientKey) -> None:
    """Puts a client on the list. Raises: InvalidArgumentError (not a key, or on it already), StateUnwritableError."""
    clients = read_clients(folder / CLIENTS)
    if not is_key(client.public_key):
        raise InvalidArgumentError("not a key; right would be 40 characters of Z85", "public key")
    if any(client.agent == other.agent or client.public_key == other.public_key for other in clients):
        raise InvalidArgumentError("it has a key already; right would be to revoke that first", client.agent)
    write_private(folder / CLIENTS, {"clients": [asdict(item) for item in [*clients, client]]})


def revoke_client(folder: Path, agent: str) -> None:
    """Takes a client off the list. Raises: NotFoundError, StateUnwritableError."""
    clients = read_clients(folder / CLIENTS)
    left = [client for client in clients if client.agent != agent]
    if len(left) == len(clients):
        raise NotFoundError("no such client", agent)
    write_private(folder / CLIENTS, {"clients": [asdict(item) for item in left]})


def is_key(text: str) -> bool:
    """Whether it is a key in Z85."""
    try:
        return len(text) == 40 and len(z85.decode(text.encode("ascii"))) == 32
    except (ValueError, KeyError):
        return False


def new_pair() -> Pair:
    """A new key pair."""
    public, secret = zmq.curve_keypair()
    return Pair(public.decode(), secret.decode())


def server_pair(folder: Path) -> Pair:
    """The service's own pair; made at the first call. Raises: StateUnreadableError, StateUnwritableError."""
    path = folder / SERVER
    try:
        return Pair(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        pair = new_pair()
        write_private(path, asdict(pair))
        return pair
    except (OSError, ValueError, TypeError) as error:
        raise StateUnreadableError(f"not a key pair: {type(error).__name__}", str(path)) from None


def write_private(path: Path, value: object) -> None:
    """A file that only its owner can read. Raises: StateUnwritableError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, (json.dumps(value, indent=1) + "\n").encode())
    except OSError as error:
        raise StateUnwritableError(str(error.strerror), str(path)) from None
