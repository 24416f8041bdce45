"""What the engine was given of a session, in order, and how to take some of it back.

Commands of a session are carried out in order, and going back (``Rewind``) forgets everything after
a mark. So what must be kept from after that mark is given to the engine again, and what must not be
forgotten by a pending rewind waits here until the engine has answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from server.engine.interface import (
    Cancel,
    Command,
    CommandRejected,
    InputUnit,
    Mark,
    Prefill,
    Reset,
    Respond,
    Rewind,
    TextMessage,
    UnitPrefilled,
)
from server.media.pcm import MODEL_HZ, duration_s

MAX_REPLAYED_UNITS = 8
"""Units after a response that can be given to the engine again; beyond, it cannot be truncated."""
MAX_ENTRIES = 256
"""Steps of the history looked back on; older uncommitted ones can no longer be cleared."""


@dataclass(slots=True, eq=False)
class Entry:
    """One step of the history."""

    content: InputUnit | TextMessage | None = None
    """None: a response, the beginning, or something that will not be needed again."""
    is_unit: bool = False
    unit_index: int | None = None
    response_id: str | None = None
    mark: Mark | None = None
    """The history up to and including this; None until the engine has said."""
    is_committed: bool = True
    """False: audio of a turn that can still be cleared."""
    is_replay: bool = False
    """The client was told already that the model has it."""

    @classmethod
    def of(cls, content: InputUnit | TextMessage, *, is_committed: bool) -> Entry:
        """The entry of a unit or message."""
        if isinstance(content, InputUnit):
            return cls(content, is_unit=True, unit_index=content.index, is_committed=is_committed)
        return cls(content, is_committed=is_committed)


class History:
    """The order of everything one session gives to the engine. Never awaits.

    While a response is generated, what comes next waits here, so that the response can be
    cancelled and shortened without losing it. Queue policy: of the units that wait so, the oldest
    are dropped beyond ``max_held_s`` and counted in ``dropped_s``; messages are not dropped.
    """

    def __init__(
        self, session_id: str, submit: Callable[[Command], bool], max_held_s: float
    ) -> None:
        """
        Args:
            session_id: Goes into every command.
            submit: Hands a command to the engine; False when it was refused.
            max_held_s: Audio that may wait for a response to be generated.
        """
        self.dropped_s = 0.0
        """Audio dropped because a response took too long."""
        self._session_id = session_id
        self._submit = submit
        self._max_held_s = max_held_s
        self._entries = [Entry()]
        self._unanswered: deque[Entry] = deque()
        self._held: deque[Entry | Respond] = deque()
        self._responding: str | None = None
        self._rewind: list[Entry] | None = None
        self._is_rewind_sent = False
        self._resets = 0

    # --- forward

    def prefill(self, content: InputUnit | TextMessage, *, is_committed: bool) -> None:
        """Append a unit or message."""
        self._held.append(Entry.of(content, is_committed=is_committed))
        self._drop_oldest()
        self._advance()

    def respond(self, command: Respond) -> None:
        """Ask for a response to everything before."""
        self.commit()
        self._held.append(command)
        self._advance()

    def commit(self) -> None:
        """What was given so far can no longer be cleared."""
        for entry in self._all_entries():
            entry.is_committed = True
        self._forget_old()

    # --- backward

    def cancel(self, response_id: str) -> bool:
        """Stop a response; False when the engine never got it."""
        for waiting in self._held:
            if isinstance(waiting, Respond) and waiting.response_id == response_id:
                self._held.remove(waiting)
                return False
        self._submit(Cancel(self._session_id, response_id))
        return True

    def can_shorten(self, response_id: str) -> bool:
        """Whether what came after the response can still be given to the engine again."""
        index = self._index_of(response_id)
        return index is not None and all(entry.content for entry in self._entries[index + 1 :])

    def shorten(self, response_id: str, mark: Mark | None) -> None:
        """Keep of a response what it was at ``mark``, nothing for None; keep what came after.

        A response that is being generated is cancelled by this. Does nothing where
        :meth:`can_shorten` says no.
        """
        index = self._index_of(response_id)
        if index is None or not self.can_shorten(response_id):
            return
        after = self._entries[index + 1 :]
        if mark is None:
            del self._entries[index:]
        else:
            self._entries[index].mark = mark
            del self._entries[index + 1 :]
        self._rewind_to_last(after)

    def clear_uncommitted(self) -> None:
        """Forget the units that were not committed; messages between them stay."""
        self._held = deque(entry for entry in self._held if not _is_clearable(entry))
        if self._rewind is not None:
            self._rewind = [entry for entry in self._rewind if not _is_clearable(entry)]
        first = next((i for i, e in enumerate(self._entries) if not e.is_committed), None)
        if first is None:
            return
        after = [entry for entry in self._entries[first:] if not entry.is_unit]
        del self._entries[first:]
        self._rewind_to_last(after)

    def reset(self) -> bool:
        """Forget everything but the system prompt; False when the engine has no room for that."""
        if not self._submit(Reset(self._session_id)):
            return False
        self._resets += 1
        self._entries = [Entry()]
        self._unanswered.clear()
        self._held.clear()
        self._responding = None
        self._rewind = None
        self._is_rewind_sent = False
        return True

    # --- the engine's answers

    def on_opened(self, mark: Mark) -> None:
        """The system prompt is in the context."""
        self._entries[0].mark = mark
        self._advance()

    def on_prefilled(self, event: UnitPrefilled) -> bool:
        """A unit or message is in the context; False when that is no news."""
        if not self._unanswered:
            # From before a reset.
            return False
        entry = self._unanswered.popleft()
        entry.mark = event.mark
        self._forget_old()
        self._advance()
        return not entry.is_replay

    def on_response_done(self, response_id: str, mark: Mark | None) -> None:
        """A response is over; ``mark`` is None when it left no trace."""
        if self._responding != response_id:
            return
        self._responding = None
        index = self._index_of(response_id)
        if index is not None and self._entries[index].mark is None:
            if mark is None:
                del self._entries[index]
            else:
                self._entries[index].mark = mark
        self._advance()

    def on_rewound(self) -> None:
        """The engine went back; give it what has to stay."""
        if not self._is_rewind_sent:
            return
        after, self._rewind, self._is_rewind_sent = self._rewind or [], None, False
        self._held.extendleft(
            replace(entry, mark=None, is_replay=True) for entry in reversed(after)
        )
        self._advance()

    def on_reset(self, mark: Mark) -> None:
        """The history is the system prompt alone."""
        self._resets = max(self._resets - 1, 0)
        if not self._resets:
            self._entries[0].mark = mark
            self._advance()

    def on_rejected(self, event: CommandRejected) -> None:
        """A command was not carried out; the engine's history is as it was before it."""
        match event.command:
            case "Prefill":
                self._forget_rejected(event.unit_index)
            case "Rewind" if self._is_rewind_sent:
                # What should have been forgotten is still there, and what followed it, too.
                self._entries += self._rewind or []
                self._rewind, self._is_rewind_sent = None, False
                self._cancel_after_all()
            case "Reset":
                self._resets = max(self._resets - 1, 0)
        self._advance()

    # --- inside

    def _cancel_after_all(self) -> None:
        """A rewind that should have stopped the response was rejected: stop it all the same."""
        index = None if self._responding is None else self._index_of(self._responding)
        if self._responding is not None and index is not None:
            self._entries[index].mark = None
            self._submit(Cancel(self._session_id, self._responding))

    def _all_entries(self) -> list[Entry]:
        held = [entry for entry in self._held if isinstance(entry, Entry)]
        return self._entries + (self._rewind or []) + held

    def _index_of(self, response_id: str) -> int | None:
        for index, entry in enumerate(self._entries):
            if entry.response_id == response_id:
                return index
        return None

    def _rewind_to_last(self, after: list[Entry]) -> None:
        """Go back to the last entry, then forward over ``after``."""
        # Where one rewind is under way already, the engine gets a second that goes further back.
        self._is_rewind_sent = False
        self._rewind = after + (self._rewind or [])
        self._advance()

    def _advance(self) -> None:
        """Submit what can be submitted now."""
        if self._rewind is not None and not self._is_rewind_sent:
            mark = self._entries[-1].mark
            if mark is None:
                return
            self._is_rewind_sent = self._submit(Rewind(self._session_id, mark))
            if not self._is_rewind_sent:
                self._entries += self._rewind
                self._rewind = None
        while self._held and not self._is_blocked():
            waiting = self._held.popleft()
            if isinstance(waiting, Respond):
                if self._submit(waiting):
                    self._responding = waiting.response_id
                    self._entries.append(Entry(response_id=waiting.response_id))
            else:
                assert waiting.content is not None
                if self._submit(Prefill(self._session_id, waiting.content)):
                    self._entries.append(waiting)
                    self._unanswered.append(waiting)
        self._forget_old()

    def _is_blocked(self) -> bool:
        """Whether what comes next would be forgotten, or get in the way of a cancellation."""
        return self._resets > 0 or self._rewind is not None or self._responding is not None

    def _forget_rejected(self, unit_index: int | None) -> None:
        for entry in self._unanswered:
            if entry.unit_index == unit_index:
                self._unanswered.remove(entry)
                if entry in self._entries:
                    self._entries.remove(entry)
                return

    def _drop_oldest(self) -> None:
        units = [entry for entry in self._held if isinstance(entry, Entry) and entry.is_unit]
        held_s = sum(_audio_s(entry) for entry in units)
        for entry in units:
            if held_s <= self._max_held_s:
                return
            self._held.remove(entry)
            held_s -= _audio_s(entry)
            self.dropped_s += _audio_s(entry)

    def _forget_old(self) -> None:
        """Drop what is looked back on no longer; its last mark becomes the beginning."""
        if self._last_response() is None:
            for entry in self._entries:
                if entry.is_unit:
                    entry.content = None
        n_keep = len(self._entries) - self._first_needed()
        while len(self._entries) > n_keep and self._entries[1].mark is not None:
            self._entries.pop(0)
            self._entries[0] = Entry(mark=self._entries[0].mark)

    def _first_needed(self) -> int:
        """Index of the entry just before the first one that may have to be taken back."""
        entries = self._entries
        first = next((i for i, e in enumerate(entries) if not e.is_committed), len(entries))
        first = max(first, len(entries) - MAX_ENTRIES)
        last_response = self._last_response()
        if last_response is not None:
            first = min(first, last_response)
        return max(first - 1, 0)

    def _last_response(self) -> int | None:
        """Index of the response that can still be shortened."""
        n_after = 0
        for index in range(len(self._entries) - 1, 0, -1):
            if self._entries[index].response_id is not None:
                return index
            n_after += self._entries[index].is_unit
            if n_after > MAX_REPLAYED_UNITS:
                return None
        return None


def _is_clearable(entry: Entry | Respond) -> bool:
    return isinstance(entry, Entry) and entry.is_unit and not entry.is_committed


def _audio_s(entry: Entry) -> float:
    content = entry.content
    return duration_s(content.audio_pcm, MODEL_HZ) if isinstance(content, InputUnit) else 0.0
