"""What a client can choose for its session, a turn and a response; checked on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.config import Config, TurnConfig
from server.engine.interface import Language, Mode, ResponseSpec, SamplingSpec, SessionSpec
from server.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice the model takes on."""

    name: str
    """Shown to the client; carries no meaning here."""
    pcm: bytes = field(default=b"", repr=False)
    """Recording of it, 16-bit little-endian mono at 16 kHz, at most 30 s; empty for the
    checkpoint's own voice."""


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """When the user's turn starts and ends, in audio time, and what follows."""

    threshold: float = 0.5
    """Speech probability at which a window counts as speech."""
    min_speech_s: float = 0.128
    """Speech needed to start a turn."""
    min_silence_s: float = 0.5
    """Silence after speech that ends the turn."""
    prefix_padding_s: float = 0.3
    """Audio before the detected start that belongs to the turn."""
    interrupt_response: bool = True
    """Speech while the model speaks stops the response."""
    create_response: bool = True
    """Answer by itself when a turn ends."""

    @classmethod
    def from_config(cls, config: TurnConfig) -> TurnOptions:
        """The server's defaults."""
        return cls(**config.model_dump())


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Everything a client can choose; replaced as a whole by ``Session.update``."""

    mode: Mode = "omni"
    """Units with a frame, or of audio alone. Fixed once the model has heard or seen something."""
    language: Language = "en"
    """Language of the mode's own system prompt. Fixed like ``mode``."""
    instructions: str | None = None
    """Replaces the task sentence of the system prompt; given later, it becomes a system message."""
    voice: Voice | None = None
    """None: the checkpoint's own. Fixed like ``mode``: the voice is part of the system prompt."""
    hd: bool = False
    """Encode the last frame before a response in high resolution. Fixed like ``mode``."""
    output_audio: bool = True
    """False: responses are text only."""
    turn_detection: TurnOptions | None = field(default_factory=TurnOptions)
    """None: the client commits turns and asks for responses itself."""
    sampling: SamplingSpec = field(default_factory=SamplingSpec)
    """How text is drawn, unless a response overrides it."""
    max_output_tokens: int = 512
    """Text tokens of one response, unless it overrides it."""

    @classmethod
    def from_config(cls, config: Config) -> SessionOptions:
        """The server's defaults."""
        response = config.response.model_dump()
        max_output_tokens = response.pop("max_output_tokens")
        return cls(
            mode=config.session.mode,
            language=config.session.language,
            hd=config.session.hd,
            turn_detection=TurnOptions.from_config(config.turn),
            sampling=SamplingSpec(**response),
            max_output_tokens=max_output_tokens,
        )

    def session_spec(self) -> SessionSpec:
        """What the engine needs to open the session."""
        return SessionSpec(
            mode=self.mode,
            language=self.language,
            instructions=self.instructions,
            voice_pcm=self.voice.pcm if self.voice else b"",
            hd=self.hd,
        )

    def response_spec(self, overrides: ResponseOverrides | None) -> ResponseSpec:
        """What the engine needs for a response with these ``overrides``."""
        wanted = overrides or ResponseOverrides()
        return ResponseSpec(
            audio=self.output_audio if wanted.output_audio is None else wanted.output_audio,
            max_output_tokens=wanted.max_output_tokens or self.max_output_tokens,
            sampling=wanted.sampling or self.sampling,
        )


def check_fixed(old: SessionOptions, new: SessionOptions) -> None:
    """Check a change of options once the model was given its system prompt.

    Raises:
        ProtocolError: The options differ in something that is part of the system prompt.
    """
    before, after = old.session_spec(), new.session_spec()
    names = {"mode": "mode", "language": "language", "hd": "hd", "voice_pcm": "voice"}
    changed = [name for key, name in names.items() if getattr(before, key) != getattr(after, key)]
    if changed:
        raise ProtocolError(
            f"{' and '.join(changed)} cannot change once the call has begun; "
            "choose before the first input",
            code="session_already_started",
            param="session",
        )


@dataclass(frozen=True, slots=True)
class ResponseOverrides:
    """What a client wants of one response; None keeps the session's choice."""

    output_audio: bool | None = None
    """False: text only."""
    max_output_tokens: int | None = None
    """Text tokens at most."""
    sampling: SamplingSpec | None = None
    """How text is drawn."""
    instructions: str | None = None
    """Prefilled as a system message before the response; it stays in the history."""
