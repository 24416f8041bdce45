"""Where the reference is faulty: what the product does, and how parity tests reach the fault.

Numbers are those of the specification's list of known faults. Networks and the speech loop take a
:class:`ReferenceQuirks`; the product always runs :data:`PRODUCT`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReferenceQuirks:
    """Each field True means: compute what the reference computes, fault included."""

    drop_exclamation_mark: bool = False
    """1: token id 0 ("!") is removed from decoded text. Product: it is kept."""
    padding_mask_in_mel_frames: bool = False
    """2: a padded audio batch is masked in mel frames, so padding stays visible. Product: in
    encoder frames."""
    eos_barred_every_call: bool = False
    """4: end of speech is barred in the first 10 frames of every 25-frame call. Product: only in
    the first 10 frames of a response."""
    penalty_per_burst: bool = False
    """5: the repetition penalty sees only the current 3-token burst. Product: the whole response
    so far."""
    bidirectional_audio_prefill: bool = False
    """7: carried-over audio frames of a new segment see each other in both directions. Product:
    causal."""
    repeat_audio_at_segment_join: bool = False
    """8: 2048 samples are heard twice where a segment joins, and the carried text is decoded and
    re-tokenised. Product: cross-faded, token ids carried as they are."""
    discard_text_at_audio_eos: bool = False
    """9: an early end of speech discards the text left. Product: a new segment speaks it."""
    normalize_by_burst: bool = False
    """10, 11: digits and asterisks are replaced burst by burst, the first burst not at all.
    Product: on the running text, a number only once it is complete."""
    lose_tail_past_reserved: bool = False
    """12: text past the reserved positions without a sentence end is lost. Product: a new segment
    starts at the last word that fits."""
    no_role_header_for_later_system: bool = False
    """13: a system or assistant message after the first has no role header. Product: it has."""
    hold_back_one_wave: bool = False
    """Audio of a speech step leaves only when the next exists. Product: at once, but for the
    samples the next step cross-fades."""
    bursts_of_three: bool = False
    """Text is generated and tokenised in bursts of 3 tokens. Product: token by token; a speech
    text chunk is prefilled as soon as its tokens can no longer change."""

    @classmethod
    def faithful(cls) -> ReferenceQuirks:
        """Everything as the reference does it."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, True))


PRODUCT = ReferenceQuirks()
"""What the server runs."""
