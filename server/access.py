"""Who may make a call: the client of a token, what it may call, and how much."""

import threading
from collections.abc import Mapping

from hangtag.access import Scope, Token, Tokens
from hangtag.server.denials import UNKNOWN, Denials
from hangtag.server.errors import CallError, Reason
from hangtag.server.quota import Quota
from hangtag.settings import ServerSettings
from hangtag.telemetry.clock import Clock, SystemClock

# What each method of `TagService` needs.
SCOPES: Mapping[str, Scope] = {
    "GetProductTags": Scope.READ,
    "BatchGetProductTags": Scope.READ,
    "SuggestTags": Scope.SUGGEST,
    "BatchSuggestTags": Scope.SUGGEST,
    "FindProducts": Scope.SEARCH,
    "ListTags": Scope.SEARCH,
    "Clarify": Scope.SEARCH,
    "SimilarProducts": Scope.SEARCH,
    "TagProfile": Scope.SEARCH,
}
# Callers may write the name of the scheme in any case, and some send each token with several.
_CACHED_PER_TOKEN = 4
_NEVER_MS = float("inf")


class Client:
    """Whoever calls with a token. `ends_ms`: when it stops being valid, in ms since 1970. Any thread may call."""

    __slots__ = ("_denials", "_quota", "ends_ms", "methods", "name", "scopes")

    def __init__(
        self,
        name: str,
        scopes: frozenset[Scope],
        ends_ms: float = _NEVER_MS,
        quota: Quota | None = None,
        denials: Denials | None = None,
    ) -> None:
        self.name = name
        self.scopes = scopes
        # The methods that it may call. (To look for a scope takes as long as everything else about a known client.)
        self.methods = frozenset(method for method, scope in SCOPES.items() if scope in scopes)
        self.ends_ms = ends_ms
        self._quota = quota
        self._denials = denials

    def begin(self, ids: int) -> None:
        """Count a call about so many ids or texts that begins; `end` has to follow.

        Raises:
            CallError: RESOURCE_EXHAUSTED (CLIENT_QUOTA), counted as denied; nothing has begun.
        """
        if self._quota is None:
            return
        excess = self._quota.begin(ids)
        if excess is None:
            return
        if self._denials is not None:
            self._denials.count(self.name, Reason.CLIENT_QUOTA)
        message = f"the quota of your token is used up: {excess.what}; retry with back-off, or ask for a larger one"
        raise CallError(Reason.CLIENT_QUOTA, message, excess.retry_after_s)

    def end(self) -> None:
        """Count a call that ended."""
        if self._quota is not None:
            self._quota.end()


# Who calls a server that has no tokens.
ANYONE = Client("anyone", frozenset(Scope))


class Access:
    """Finds the client of each call. Any thread may call.

    Without `server.tokens_file` everybody is `ANYONE`.

    Raises:
        TokensFileError: the file of tokens is missing or wrong.
    """

    def __init__(self, settings: ServerSettings | None = None, clock: Clock | None = None) -> None:
        self._settings = settings or ServerSettings()
        self._clock = clock or SystemClock()
        self._tokens = None if self._settings.tokens_file is None else Tokens(self._settings.tokens_file)
        # True if everybody may call, as ANYONE.
        self.is_open = self._tokens is None
        self.denials = Denials()
        # By the value of `authorization`: only of valid tokens, so that nobody else can fill it. That finding it takes
        # another time for another value helps nobody: strings are compared only if their keyed hashes are equal.
        self._clients: dict[str | None, Client] = {}
        # By the id of the token, so that what a client has used is known after the file was read again.
        self._known: dict[str, tuple[Token, Client]] = {}
        self._lock = threading.Lock()

    def client_of(self, authorization: str | None, method: str) -> Client:
        """The client of a call of a method of `TagService`, by the value of the metadata `authorization`.

        Raises:
            CallError: UNAUTHENTICATED (TOKEN_MISSING, TOKEN_UNKNOWN, TOKEN_EXPIRED) or PERMISSION_DENIED
                (SCOPE_MISSING), counted as denied.
        """
        client = self.identify(authorization)
        if method not in client.methods:
            allowed = ", ".join(scope for scope in Scope if scope in client.scopes)
            needed = SCOPES[method]
            message = f"{method} needs the scope {needed}, and your token has {allowed}; ask for one that has it"
            raise self._denied(client.name, Reason.SCOPE_MISSING, message)
        return client

    def identify(self, authorization: str | None) -> Client:
        """The client of any call.

        Raises:
            CallError: UNAUTHENTICATED (TOKEN_MISSING, TOKEN_UNKNOWN, TOKEN_EXPIRED), counted as denied.
        """
        if self._tokens is None:
            return ANYONE
        client = self._clients.get(authorization) or self._first(authorization, self._tokens)
        if self._clock.wall_ms() >= client.ends_ms:
            message = "your token has expired or was revoked; ask the operator of this server for a new one"
            raise self._denied(client.name, Reason.TOKEN_EXPIRED, message)
        return client

    def refresh(self) -> None:
        """Read the file of tokens again if it has changed. To be called every second, by one thread."""
        if self._tokens is not None:
            self._tokens.refresh(self._forget)

    def _first(self, authorization: str | None, tokens: Tokens) -> Client:
        """The client of a call with a value that is not known yet, or no longer."""
        if not authorization:
            message = "this server needs a token; send it with each call: authorization: Bearer ht_..."
            raise self._denied(UNKNOWN, Reason.TOKEN_MISSING, message)
        # Taken before the tokens are: if these change meanwhile, what is found goes into the old one, and is not used.
        clients = self._clients
        token = tokens.find(authorization)
        if token is None:
            message = "this server does not know your token; send it as: authorization: Bearer ht_<id>_<secret>"
            raise self._denied(UNKNOWN, Reason.TOKEN_UNKNOWN, message)
        with self._lock:
            known = self._known.get(token.id)
            if known is None or known[0] != token:
                self._known[token.id] = known = (token, self._new_client(token))
            if len(clients) >= _CACHED_PER_TOKEN * len(self._known):
                clients.clear()
            clients[authorization] = known[1]
        return known[1]

    def _forget(self) -> None:
        self._clients = {}

    def _new_client(self, token: Token) -> Client:
        usual = self._settings
        quota = Quota(
            self._clock.monotonic,
            calls_per_s=token.calls_per_s or usual.quota_calls_per_s,
            concurrency=token.concurrency or usual.quota_concurrency,
            ids_per_s=token.ids_per_s or usual.quota_ids_per_s,
        )
        ends_ms = _NEVER_MS if token.ends is None else token.ends.timestamp() * 1_000
        return Client(token.client, token.scopes, ends_ms, None if quota.is_unlimited else quota, self.denials)

    def _denied(self, client: str, reason: Reason, message: str) -> CallError:
        self.denials.count(client, reason)
        return CallError(reason, message)
