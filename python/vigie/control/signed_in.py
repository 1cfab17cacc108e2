"""Who sits at a client: `session.challenge`, `sign_in`, `sign_out`. A session is of one connection, and of no other.

While it lasts, the connection has the rights of the Agent who signed in, and not those of its key. When it is over the
connection may do nothing until somebody signs in again or signs out: it does not fall back to what its key may.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from vigie.control import desk_ops
from vigie.control.op import Message, Nothing
from vigie.control.peers import Challenge, Peer, Session
from vigie.control.signin import Attempt, Backend, RefusedError, Said, UnreachableError, backend_of
from vigie.control.signin.limits import MANY, Limits, key_of_name, key_of_place
from vigie.control.store import Store
from vigie.control.world_now import WorldNow
from vigie.errors import ControlRefusedError, ControlUnavailableError, LimitExceededError
from vigie.journal import records
from vigie.journal.records import SYSTEM
from vigie.policy.declared import Declared
from vigie.policy.desk_objects import IdentityProvider
from vigie.policy.moments import state
from vigie.policy.people_objects import Agent
from vigie.policy.persons import person_of, post_at
from vigie.policy.world import World

if TYPE_CHECKING:
    from vigie.control.handlers import Call

SECOND = 1_000_000_000
CHALLENGE_NS = 300 * SECOND
LEAST_S = 0.25  # a refusal takes as long, whatever it was
AT_ONCE = 32
PER_AGENT = 16
REFUSED = "not taken; right would be another user, password or token"


class RaisesAlarms(Protocol):
    """What of the alarms' desk is used."""

    def raise_(self, kind: str, about: str, text: str) -> None: ...


class Peers(Protocol):
    """Who is connected. Thread: the event loop."""

    def connected(self) -> Iterable[Peer]: ...


class Sessions:
    """The operations. Thread: the event loop; providers are asked in threads of their own."""

    def __init__(
        self,
        store: Store,
        world: WorldNow,
        alarms: RaisesAlarms,
        in_worker: Callable[[Callable[[], Any]], Awaitable[Any]],
        now_ns: Callable[[], int],
    ) -> None:
        self.clients: Peers | None = None
        self.least_s = LEAST_S
        self._store, self._world, self._alarms, self._in_worker = store, world, alarms, in_worker
        self._now_ns = now_ns
        self._limits = Limits()
        self._backends: dict[str, tuple[Declared[IdentityProvider], Backend]] = {}
        self._askers = ThreadPoolExecutor(4, "vigie-sign-in")
        self._asking = 0
        self.by_op: dict[str, Callable[[Call], Awaitable[Message]]] = {
            "session.challenge": self._challenge,
            "session.sign_in": self._sign_in,
            "session.sign_out": self._sign_out,
        }

    def close(self) -> None:
        """Idempotent; a provider that does not answer is not waited for."""
        self._askers.shutdown(wait=False, cancel_futures=True)

    async def _challenge(self, call: "Call") -> Message:
        until = self._now_ns() + CHALLENGE_NS
        call.peer.challenge = Challenge(secrets.token_urlsafe(24), until)
        providers = [_shown(item.object) for _, item in sorted(self._providers().items())]
        return desk_ops.Challenge(nonce=call.peer.challenge.nonce, until_ns=until, providers=providers)

    async def _sign_in(self, call: "Call") -> Message:
        began = time.monotonic()
        name, item = self._provider(call.request.provider)
        backend = self._backend(name, item)
        of_name = (key_of_name(name, call.request.user),) if call.request.user else ()
        keys = (*of_name, key_of_place(call.peer.address or call.peer.party.name))
        if (wait := self._limits.wait_s(keys, began)) > 0:
            self._note_refused(call, backend.way, None)
            raise LimitExceededError(f"too many attempts; right would be to try again in {wait:.0f} s")
        agent: str | None = None
        try:
            said = await self._ask(backend, self._attempt(call))
            agent = _agent_name(item.object, said.subject)
            session = await self._in_worker(lambda: self._session(call, item.object, agent or "", said))
        except RefusedError:
            known = await self._in_worker(lambda: self._known(item.object, agent or call.request.user))
            self._note_refused(call, backend.way, known)
            if self._limits.failed(keys, began) == MANY and known is not None:
                self._alarms.raise_("sign_in_refused", known, f"{MANY} attempts by {backend.way} were refused")
            await asyncio.sleep(max(0.0, self.least_s - (time.monotonic() - began)))
            raise ControlRefusedError(REFUSED, "session.sign_in") from None
        except UnreachableError as error:
            self._note_refused(call, backend.way, None)
            raise ControlUnavailableError(f"the provider {name} cannot be asked: {error}", "session.sign_in") from None
        for key in of_name:
            self._limits.worked(key)
        call.peer.challenge = None
        self._begin(call.peer, session)
        call.notes.speaker = session.agent
        call.notes.records = (records.Login(actor=SYSTEM, way=backend.way, source=_source(call.peer)),)
        return desk_ops.SignedIn(agent=session.agent, until_ns=session.until_ns, post=session.post)

    async def _sign_out(self, call: "Call") -> Message:
        session = call.peer.session
        if session is None:
            raise ControlRefusedError("nobody has signed in on this connection", "session.sign_out")
        _end(call.peer)
        call.notes.speaker = session.agent
        call.notes.records = (records.Logout(actor=SYSTEM, cause="asked"),)
        return Nothing()

    # Providers.

    def _providers(self) -> dict[str, Declared[IdentityProvider]]:
        objects = self._store.state.objects.items()
        return {name: item.declared for (kind, name), item in objects if kind == "IdentityProvider" and item.declared}

    def _provider(self, wanted: str) -> tuple[str, Declared[IdentityProvider]]:
        known = self._providers()
        if wanted in known:
            return wanted, known[wanted]
        if not wanted and len(known) == 1:
            return next(iter(known.items()))
        names = ", ".join(sorted(known)) or "nobody can sign in here: no IdentityProvider is declared"
        raise ControlRefusedError(f"no such provider; right would be one of: {names}", wanted[:64])

    def _backend(self, name: str, item: Declared[IdentityProvider]) -> Backend:
        made = self._backends.get(name)
        if made is None or made[0].object != item.object or made[0].secrets != item.secrets:
            made = self._backends[name] = (item, backend_of(item, self._password))
        return made[1]

    def _password(self, agent: str) -> str | None:
        stored = self._store.state.objects.get(("Agent", agent))
        return None if stored is None or stored.declared is None else stored.declared.secrets.get(("spec", "password"))

    def _attempt(self, call: "Call") -> Attempt:
        wanted, now, challenge = call.request, self._now_ns(), call.peer.challenge
        call.peer.challenge = None  # it counts once, whatever becomes of it
        nonce = challenge.nonce if challenge is not None and now < challenge.until_ns else ""
        return Attempt(wanted.user, wanted.password, wanted.token, nonce, now / SECOND)

    async def _ask(self, backend: Backend, attempt: Attempt) -> Said:
        if self._asking >= AT_ONCE:
            raise LimitExceededError(f"{AT_ONCE} people sign in at this moment; right would be to try again")
        self._asking += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._askers, backend.check, attempt)
        finally:
            self._asking -= 1

    # Sessions.

    def _session(self, call: "Call", provider: IdentityProvider, name: str, said: Said) -> Session:
        """In a worker. Raises: RefusedError."""
        world, now = self._world(), self._now_ns()
        agent = world.agents.get(name)
        if agent is None or agent.spec.machine:
            raise RefusedError("no Agent of that name, or a machine")
        if provider.spec.organisation not in (None, agent.spec.organisation):
            raise RefusedError("an Agent of another organisation")
        inside, end = state(person_of(world, agent).ends, now)
        if not inside:
            raise RefusedError("the account has ended")
        until = min(end, now + provider.spec.session_minutes * 60 * SECOND)
        if said.until is not None:
            until = min(until, int(said.until * SECOND))
        if until <= now:
            raise RefusedError("what he brought has ended")
        return Session(name, until, self._post(world, call, agent))

    def _post(self, world: World, call: "Call", agent: Agent) -> str:
        """Where he sits. Raises: ControlRefusedError (not there)."""
        wanted, peer = call.request.post, call.peer
        there = post_at(world, peer.address) if peer.address else None
        if not wanted:
            return there or ""
        post = world.posts.get(wanted)
        sees = peer.party.trusted_host or not peer.address or there == wanted
        if post is None or not sees or post.spec.organisation not in person_of(world, agent).actor.acting:
            what = f"this client does not stand there, or {agent.name} has no place there"
            raise ControlRefusedError(what, wanted[:64])
        return str(wanted)

    def _begin(self, peer: Peer, session: Session) -> None:
        if peer.session is None or peer.session.agent != session.agent:
            peer.unsubscribe()  # what it follows was another's
        peer.session = session
        if self.clients is None:
            return
        now, place = self._now_ns(), _place(peer)
        alive = [
            (other.session.until_ns, number, other, other.session)
            for number, other in enumerate(self.clients.connected())
            if other is not peer and other.session is not None and other.session.until_ns > now
            and other.session.agent == session.agent
        ]  # fmt: skip
        elsewhere = next((_place(other) for _, _, other, _ in alive if _place(other) not in ("", place)), "")
        if place and elsewhere:
            text = f"signed in at {place} while signed in at {elsewhere}"
            self._alarms.raise_("foreign_login", session.agent, text)
        for _, _, other, theirs in sorted(alive, key=lambda one: one[:2])[: max(0, len(alive) + 1 - PER_AGENT)]:
            other.session = replace(theirs, until_ns=0)
            other.unsubscribe()

    def _known(self, provider: IdentityProvider, said: str) -> str | None:
        """The Agent that was meant, where there is one: what somebody types may be his password."""
        name = _agent_name(provider, said)
        return name if name in self._world().agents else None

    @staticmethod
    def _note_refused(call: "Call", way: str, agent: str | None) -> None:
        call.notes.speaker = agent or ""
        code = ControlRefusedError.code
        call.notes.records = (records.LoginRefused(actor=SYSTEM, way=way, source=_source(call.peer), code=code),)


def _end(peer: Peer) -> None:
    """The connection is its key's again; what it subscribed to was another's."""
    if peer.session is not None:
        peer.session = None
        peer.unsubscribe()


def _agent_name(provider: IdentityProvider, subject: str) -> str:
    return provider.spec.agents.get(subject, subject)


def _place(peer: Peer) -> str:
    return (peer.session.post if peer.session is not None else "") or peer.address


def _source(peer: Peer) -> str | None:
    """The address, as far as the journal's field takes it."""
    text = peer.address.replace(":", ".").strip(".")
    return text[:64] or None


def _shown(provider: IdentityProvider) -> desk_ops.Provider:
    spec = provider.spec
    way = "oidc" if spec.oidc is not None else "ldap" if spec.ldap is not None else "local"
    issuer, client_id = ("", "") if spec.oidc is None else (spec.oidc.issuer, spec.oidc.client_id)
    return desk_ops.Provider(name=provider.name, way=way, issuer=issuer, client_id=client_id)
