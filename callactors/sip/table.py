"""What one endpoint knows at the moment: its sessions by number, dialog and INVITE, its questions, and whose they are.

- A packet's source decides whose it is: the trunk that lists it, else the one we talk to there by our own choice
  (a call we placed, a question we asked, a caller whose digest was right).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from callactors.errors import DialogGone
from callactors.sip.address import Hop
from callactors.sip.asking import Asking
from callactors.sip.incoming import Incoming
from callactors.sip.replaces import Replaces
from callactors.sip.session import Session
from callactors.sip.usage import Usage


class Table:
    """Who is talking. `listed(source)` is the trunk that lists an address, or None.

    `admits(source, trunk)` says whether one who is only known by talking to us may be that trunk's.
    """

    def __init__(
        self, listed: Callable[[Hop], str | None], admits: Callable[[Hop, str], bool] = lambda hop, trunk: True
    ) -> None:
        self._listed, self._admits = listed, admits
        self.sessions: dict[int, Session] = {}
        self.asking: dict[int, Asking] = {}
        self.invites: dict[tuple[str, ...], Incoming] = {}  # by the INVITE's transaction key, for CANCEL
        self._dialogs: dict[tuple[str, str], Session] = {}  # by Call-ID and local tag
        self._known: Counter[tuple[str, str]] = Counter()  # (host, trunk) of every session and question

    def __len__(self) -> int:
        return len(self.sessions) + len(self.asking)

    def session(self, number: int) -> Session:
        """Raises DialogGone."""
        try:
            return self.sessions[number]
        except KeyError:
            raise DialogGone(f"there is no session {number}") from None

    def half_open(self) -> int:
        """Received INVITEs without a final response, or without the ACK of one."""
        return sum(session.half_open for session in self.invites.values())

    def calls(self, trunk: str) -> int:
        """How many calls of that trunk go on, either way: what its channels are counted by."""
        return sum(session.trunk == trunk and not session.ended for session in self.sessions.values())

    def trunk_of(self, source: Hop) -> str | None:
        """Whose a packet from there is."""
        trunk = self._listed(source)
        if trunk is None:
            known = (trunk for host, trunk in self._known if host == source.host)
            trunk = next((trunk for trunk in known if self._admits(source, trunk)), None)
        return trunk

    def lists(self, trunk: str) -> Callable[[Hop], bool]:
        """Whether a hop is one of that trunk's addresses."""
        return lambda hop: self._listed(hop) == trunk

    def remember(self, session: Session) -> int:
        self.sessions[session.number] = session
        self._dialogs[session.dialog.call_id, session.dialog.local_tag] = session
        self._known[session.peer.host, session.trunk] += 1
        if isinstance(session, Incoming):
            self.invites[session.key] = session
        return session.number

    def forget(self, session: Usage) -> None:
        self.sessions.pop(session.number, None)
        self._dialogs.pop((session.dialog.call_id, session.dialog.local_tag), None)
        if isinstance(session, Incoming):
            self.invites.pop(session.key, None)
        self._unknow(session.peer.host, session.trunk)

    def ask(self, asking: Asking) -> int:
        self.asking[asking.number] = asking
        self._known[asking.host, asking.trunk] += 1
        return asking.number

    def answered(self, asking: Asking) -> None:
        del self.asking[asking.number]
        self._unknow(asking.host, asking.trunk)

    def _unknow(self, host: str, trunk: str) -> None:
        self._known[host, trunk] -= 1
        if self._known[host, trunk] <= 0:
            del self._known[host, trunk]

    def inside(self, call_id: str, local_tag: str, remote_tag: str, source: Hop, trunk: str) -> Session | None:
        """The session whose dialog this is, if its sender may speak in it."""
        session = self._dialogs.get((call_id, local_tag))
        if session is None or not session.knows(remote_tag):
            return None
        return session if trunk == session.trunk or source.host == session.peer.host else None

    def replaced(self, wanted: Replaces, trunk: str) -> Session | None:
        """The session a Replaces names, if it is of the same trunk."""
        session = self._dialogs.get((wanted.call_id, wanted.local_tag))
        if session is None or session.trunk != trunk or session.dialog.remote_tag != wanted.remote_tag:
            return None
        return session
