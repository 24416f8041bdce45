"""What an audio frame sees of the text: the streaming mask of the speech decoder.

A sequence of the speech decoder is ``[Stts] [spk_emb] text x reserved [Ptts] audio ...``. All up to
and with ``[Ptts]`` is the *condition*. Text arrives while audio is made, so a frame sees only as
much text as the schedule of training gives it: one more chunk of text per chunk of audio.

``[Ptts]`` itself is hidden from every position, its own included: the checkpoint was trained so.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import SpeechConfig


class StreamingMask:
    """Visibility of the condition, and where its positions are stored.

    Visible are always a run from the start of the condition and all audio. Storing the condition
    backwards (position ``i`` at index ``condition_length - 1 - i``) makes the two adjacent: what a
    frame sees is one slice of its row, so no mask is computed and no hidden position is read.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py (streaming attention mask of the TTS).
    Differs: a range of the row instead of an additive mask over all of it.
    """

    def __init__(self, config: SpeechConfig) -> None:
        self.prefix_length = 1 + config.num_spk_embs
        """Positions before the text: ``[Stts]`` and the speaker."""
        self.reserved_length = config.streaming_text_reserved_len
        """Positions reserved for text."""
        self.condition_length = self.prefix_length + self.reserved_length + 1
        """Positions before the first frame, ``[Ptts]`` included."""
        self.start_position = self.condition_length - 1
        """Position of ``[Ptts]``; the length of a row that holds no audio yet."""
        self.text_chunk_tokens = config.streaming_text_chunk_size
        self.audio_chunk_frames = config.streaming_audio_chunk_size

    def n_known(self, n_text: int) -> int:
        """Condition positions that ``n_text`` text tokens fill, with one more for ``[Etts]``."""
        return min(self.prefix_length + n_text + 1, self.condition_length)

    def n_visible(self, position: int, n_text: int) -> int:
        """Length of the run of condition positions that a frame sees.

        Args:
            position: Index of the frame's position, which is the length of the row before it.
            n_text: Text tokens known so far, without ``[Etts]``.
        """
        # Counted from the reserved length, not from [Ptts]: the first chunk of audio is one frame
        # short. The checkpoint was trained so.
        chunks = -(-(position - self.reserved_length) // self.audio_chunk_frames)
        scheduled = min(chunks * self.text_chunk_tokens, self.reserved_length)
        return min(scheduled + self.prefix_length, self.n_known(n_text))

    def storage_index(self, position: int) -> int:
        """Where a position's keys and values are in its row."""
        return position if position >= self.condition_length else self.start_position - position

    def window(self, position: int, n_text: int) -> tuple[int, int]:
        """Stored range that a frame at ``position`` sees; ``[Ptts]``, stored first, is never in."""
        first = self.condition_length - self.n_visible(position, n_text)
        return first, position + 1

    def text_mask(self, n_text: int) -> Tensor:
        """Bool ``[condition_length]``: positions that hold something, in order of time."""
        known = torch.arange(self.condition_length) < self.n_known(n_text)
        known[self.start_position] = True
        return known

    def visible(self, length: int, n_new: int, n_text: int) -> Tensor:
        """Bool ``[length + n_new]``, in order of time: what frames appended together all see.

        This is the reference's mask written out, for one frame (``n_new == 1``) or several at once;
        the decoder itself uses :meth:`window`.
        """
        seen = torch.ones(length + n_new, dtype=torch.bool)
        seen[self.n_visible(length, n_text) : self.condition_length] = False
        return seen
