"""The model's own voices, and the few seconds of each that the system prompt plays to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.training.speech_data.clips import Clip
from model.training.speech_data.synthesis import SpeechRequest

PROMPT_HZ = 16_000
"""Rate of reference audio in a system prompt."""
SPEECH_HZ = 24_000
"""Rate of what the model says."""
SHORTEST_REFERENCE_S, LONGEST_REFERENCE_S = 3.0, 5.0


@dataclass(frozen=True, slots=True)
class ReplyVoice:
    """One voice of the model."""

    number: int
    """As in the training batches, from 0."""
    name: str
    """What users call it."""
    voice: str
    """Name of the teacher's voice in :mod:`model.training.speech_data.voices`."""


REPLY_VOICES = (
    ReplyVoice(0, "clara", "festival/slt_hts"),
    ReplyVoice(1, "alan", "flite/rms"),
)
"""A woman and a man: of the voices at hand, the most natural that an independent recogniser
understands well, in the same accent."""

REFERENCE_TEXTS = (
    "The morning train leaves the station at a quarter past seven, and it is often late.",
    "We walked along the river until the rain began, and then we ran back to the house.",
    "Please put the letters on the wooden table near the window before you leave.",
    "My grandmother kept a small garden behind her kitchen, with roses and onions.",
    "A cold wind came down from the mountains and shook the apples off the trees.",
    "Nobody knew who had painted the fence, but everyone agreed that it looked better.",
    "You can borrow the bicycle if you promise to bring it back before the evening.",
    "The children built a castle of sand and watched the waves carry it away again.",
    "After the concert they stood outside for an hour and could not stop talking.",
    "There was a smell of fresh bread on the stairs, and somebody was singing above.",
    "The doctor wrote a few words on a piece of paper and folded it in the middle.",
    "Our neighbour has three cats, two parrots and a very patient old shepherd dog.",
    "They drove through the night and reached the sea just as the sun was rising.",
    "Put on a warm coat, because the church is never heated, not even at Christmas.",
    "She had learned to swim in a quiet lake, long before she ever saw the ocean.",
    "In the corner of the shop stood a clock that had not worked for thirty years.",
    "The old bridge was closed all winter, so everybody took the ferry instead.",
    "He opened the heavy door very slowly and listened to the voices in the hall.",
)
"""What the references say: the voice is to be told by its sound, so there is more than one."""
TRAINING_REFERENCES = REFERENCE_TEXTS[:-2]
EVALUATION_REFERENCES = REFERENCE_TEXTS[-2:]


def reference_clip(voice: ReplyVoice, text: str, speak: Callable[[SpeechRequest], Clip]) -> Clip:
    """The reference audio of a voice, at 16 kHz and 3 to 5 s long.

    Args:
        voice: Whose.
        text: One of :data:`REFERENCE_TEXTS`; speech beyond 5 s ends with the last whole word.
        speak: Makes the clip, such as ``SpeechSynthesizer().speak``.

    Raises:
        ValueError: The text is too short.
    """
    clip = speak(SpeechRequest(voice.voice, text)).at_rate(PROMPT_HZ).without_edges()
    if clip.duration_s > LONGEST_REFERENCE_S:
        ends_s = [word.end_s for word in clip.words if word.end_s <= LONGEST_REFERENCE_S]
        clip = clip.cut(0.0, max(ends_s, default=LONGEST_REFERENCE_S))
    if clip.duration_s < SHORTEST_REFERENCE_S:
        raise ValueError(f"{clip.duration_s:.1f} s of reference audio; give a longer text")
    return clip


def reply_clip(voice: ReplyVoice, text: str, speak: Callable[[SpeechRequest], Clip]) -> Clip:
    """What the teacher's voice says for an answer, at 24 kHz, with hardly any silence around it."""
    return speak(SpeechRequest(voice.voice, text)).at_rate(SPEECH_HZ).without_edges()
