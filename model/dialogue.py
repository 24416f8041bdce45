"""The prompt side of one session: which text goes around each message as it arrives.

A call's history is one growing prompt. This state machine knows what is open at its end (a user's
turn, an answer, nothing) and therefore what must close it and which header comes next. It holds no
tensors and no text: the caller encodes the returned items, appends them to the session's row, and
may at any time take a :class:`DialogueState` to come back to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.prompt import (
    SPEECH_HEADER,
    TURN_END,
    ContentItem,
    Role,
    Template,
    join_content,
    role_header,
)
from model.quirks import PRODUCT, ReferenceQuirks

CUT_SHORT_END = f"<|tts_eos|>{TURN_END}"
"""Closes an answer that did not come to its own end."""


@dataclass(frozen=True, slots=True)
class DialogueState:
    """All that a :class:`Dialogue` remembers."""

    begun: bool = False
    """The session has its first message."""
    user_turn_open: bool = False
    """A user's turn is at the end of the history; the next unit continues it without a header."""
    closing: str = ""
    """What must be written before the next header."""


@dataclass(frozen=True, slots=True)
class DialogueStep:
    """What one message or answer appends to the history."""

    items: tuple[ContentItem, ...]
    """To encode, in order."""
    clears_audio: bool
    """The row's audio context is dropped before this step's audio is encoded and again after: audio
    of later units must not continue it."""


class Dialogue:
    """State machine of one session's history.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py, its streaming prefill and generate.
    Differs (not under ``no_role_header_for_later_system``): a system or assistant message after the
    first closes what is open and has its own header; an answer that no user turn precedes gets no
    second ``<|im_end|>``.
    """

    def __init__(self, quirks: ReferenceQuirks = PRODUCT) -> None:
        self._state = DialogueState()
        self._bare_later_messages = quirks.no_role_header_for_later_system

    def snapshot(self) -> DialogueState:
        """The present moment, for :meth:`restore`.

        Taken while an answer is being generated, it counts as an answer cut short: going back there
        keeps what had been said and no more.
        """
        return self._state

    def restore(self, state: DialogueState) -> None:
        """Continue from a moment of this session's past."""
        self._state = state

    @property
    def user_turn_open(self) -> bool:
        """Whether the next unit continues the user's turn instead of opening one."""
        return self._state.user_turn_open

    def prefill(
        self, role: Role, content: Sequence[ContentItem], separator: str = ""
    ) -> DialogueStep:
        """Append a message, or a unit of the user's turn.

        Args:
            role: ``user`` for units and typed words; the first message of a session is its system
                prompt whatever its role.
            content: Its items.
            separator: Between the items.
        """
        items = join_content(content, separator)
        if not self._state.begun:
            self._state = DialogueState(begun=True)
            header = Template(role_header(role))
            return DialogueStep((header, *items, Template(TURN_END)), clears_audio=True)
        if role == "user":
            return DialogueStep(tuple(self._user_items(items)), clears_audio=False)
        if self._bare_later_messages:
            self._state = replace(self._state, user_turn_open=False)
            return DialogueStep(tuple(items), clears_audio=True)
        header = Template(self._state.closing + role_header(role))
        self._state = DialogueState(begun=True)
        return DialogueStep((header, *items, Template(TURN_END)), clears_audio=True)

    def _user_items(self, items: list[ContentItem]) -> list[ContentItem]:
        state = self._state
        if state.user_turn_open:
            return items
        # The reference goes by how the last answer ended, even when messages came after it.
        closing = state.closing if self._bare_later_messages else TURN_END
        self._state = replace(state, user_turn_open=True, closing=closing)
        return [Template(state.closing + role_header("user")), *items]

    def respond(self) -> DialogueStep:
        """Close the user's turn and open an answer; it counts as cut short until it completes."""
        closing = TURN_END if self._bare_later_messages else self._state.closing
        self._state = DialogueState(begun=True, closing=CUT_SHORT_END)
        return DialogueStep((Template(closing + SPEECH_HEADER),), clears_audio=True)

    def complete(self) -> None:
        """The answer reached its own end and was consumed to it.

        Not called for an answer that was interrupted or stopped at its token limit.

        Raises:
            RuntimeError: No answer is open.
        """
        if self._state.closing != CUT_SHORT_END or self._state.user_turn_open:
            raise RuntimeError("no answer is open, so none can be complete")
        self._state = replace(self._state, closing=TURN_END)
