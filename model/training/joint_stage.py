"""Trains the whole model on whole calls: what is heard and seen, the answer's text, its speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.omni import OmniModel
from model.training import speech_sequences
from model.training.batches import IGNORED, Call, CallBatch, SpokenText
from model.training.call_places import CallPlaces, places_of
from model.training.dense_audio import encode_contexts, scale_gradient, unit_mel
from model.training.joint_sequence import CallLayout, CallSequence
from model.training.listening import listening_loss
from model.training.packed_calls import filled_up, forward_packed, pack
from model.training.typed_twins import twin_loss, typed_twin

PREFIXES = (
    "llm.", "vpm.", "resampler.", "apm.", "audio_projection_layer.", "tts.projector.",
    "tts.model.", "tts.emb_code.", "tts.emb_text.", "tts.head_code.",
)  # fmt: skip
"""Networks of a call that can be trained together."""
FROZEN_PREFIXES = ("vocoder.", "tts.dvae.", "tts.model.embed_tokens.")


def default_filter(name: str) -> bool:
    """All that a call uses, but for codec and vocoder: codes must stay what they mean."""
    return not name.startswith(FROZEN_PREFIXES)


@dataclass(frozen=True, slots=True)
class JointSettings:
    """Weights of the parts of the loss."""

    asked_weight: float = 0.3
    """Of what the caller types: nobody is to say it, but to foresee it takes looking back, as does
    repeating something."""
    speech_weight: float = 0.5
    guidance_weight: float = 0.05
    listening_weight: float = 0.1
    """Of one head's attention to the sound of the word to be repeated, or to the thing seen."""
    twin_weight: float = 3.0
    """Of the distance of what is heard from what is read, in the calls' typed twins, where their
    answers are foreseen."""
    word_twin_weight: float = 1.0
    """Of the same distance where each token of a question ends."""
    voice_weight: float = 0.5
    """Of the distance of the projected speaker from the voice's vector in the table."""
    audio_gradient: float = 0.1
    """How much of the language model's gradient reaches the audio encoder; all of it destroys what
    the encoder knows."""
    vision_gradient: float = 1.0
    streaming: float = 1.0
    """Share of replies under the streaming mask."""
    corrupted: float = 0.5
    """Most of the code history that is replaced by noise."""


class JointStage:
    """The real sequence: system prompt (and voice), units, answer, speaker embedding, codes."""

    name = "joint"

    def __init__(
        self,
        model: OmniModel,
        voices: Tensor | None = None,
        settings: JointSettings | None = None,
        trains: Callable[[str], bool] = default_filter,
    ) -> None:
        """Prepare.

        Args:
            model: Any checkpoint's, not fused.
            voices: ``[V, D]`` of the speech decoder's stage: where the projected speakers belong.
            settings: Weights of the loss.
            trains: Which parameters, by name, are trained; all others stay as they are and get no
                gradient. Adapters that were put into the model are parameters like any other.
        """
        self.module: nn.Module = model
        self._model = model
        self._settings = settings or JointSettings()
        self._voices = None if voices is None else F.normalize(voices.detach(), dim=-1)
        self._layout = CallLayout(model.tokenizer, model.config)
        self._guided_layer = model.config.speech.num_hidden_layers // 2
        self._listening_layer = model.config.language.num_hidden_layers // 2
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(trains(name))
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        self.prefixes = tuple(p for p in PREFIXES if any(name.startswith(p) for name in trained))

    def begin(self, batch: CallBatch) -> None:
        """Nothing to prepare."""

    def losses(self, batch: CallBatch) -> dict[str, Tensor]:
        """Text of the answers, their codes, and where the speakers are."""
        settings = self._settings
        sequences = [self._layout.lay_out(call) for call in batch.calls]
        packing = pack(sequences)
        calls = packing.calls()
        guided = [(call, s.guides) for call, s in zip(calls, sequences, strict=True) if s.guides]
        listened: list[Tensor] = []

        def probe(layer: int, queries: Tensor, keys: Tensor) -> None:
            if layer == self._listening_layer and guided:
                listened.append(listening_loss(queries, keys, guided))

        places, device = places_of(packing, sequences), self._model.device
        embeddings = self.embed(sequences)[packing.kept.to(device)]
        states: list[Tensor] = []
        wanted = places.wanted.to(device)
        hidden = forward_packed(self._model.llm, embeddings, packing, wanted, probe, states)
        of_answers, of_asked, _, of_speakers = places.split(hidden)
        logits, said = self._logits(of_answers), places.said.to(device)
        text = F.cross_entropy(logits, said)
        right = (logits.argmax(-1) == said).float().mean()
        losses = {"text": text, "text_accuracy": right, "loss": text}
        if len(of_asked):
            expected = places.expected.to(device)
            losses["asked"] = F.cross_entropy(self._logits(of_asked), expected)
        if listened:
            losses["listening"] = listened[0]
        if settings.twin_weight or settings.word_twin_weight:
            losses |= self._twin_losses(batch.calls, sequences, places, states)
        for name, weight in (
            ("asked", settings.asked_weight),
            ("listening", settings.listening_weight),
            ("twin", settings.twin_weight),
            ("word_twin", settings.word_twin_weight),
        ):
            if name in losses:
                losses["loss"] = losses["loss"] + weight * losses[name]
        if len(of_speakers):
            speech = self._speech_losses(sequences, of_speakers)
            losses["loss"] = losses["loss"] + speech.pop("weighted")
            losses |= speech
        return losses

    def _twin_losses(
        self,
        calls: Sequence[Call],
        sequences: Sequence[CallSequence],
        places: CallPlaces,
        states: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """How far what is heard is from what is read, where answers are foreseen and where words
        end; ``states`` are those of the places, layer by layer."""
        twins = [typed_twin(call) for call in calls]
        laid_out = [self._layout.lay_out(twin) for twin in twins if twin is not None]
        if not laid_out:
            return {}
        has_twin = torch.tensor([twin is not None for twin in twins])

        def rows(counts: Sequence[int]) -> Tensor:
            """Which rows are of calls with a twin, where every call has so many of them."""
            of_twins = has_twin.repeat_interleave(torch.tensor(counts))
            return of_twins.nonzero()[:, 0].to(self._model.device)

        answers = rows([sum(t != IGNORED for t in s.targets) for s in sequences])
        words = rows([len(s.words) for s in sequences])
        heard = [places.split(state) for state in states]
        read, right = self._read(laid_out)
        losses = {}
        if len(right):
            ours, theirs = [of[0][answers[right]] for of in heard], [of[0][right] for of in read]
            losses["twin"] = twin_loss(ours, theirs)
        if len(words):
            losses["word_twin"] = twin_loss([of[2][words] for of in heard], [of[2] for of in read])
        return losses

    @torch.no_grad()
    def _read(self, twins: Sequence[CallSequence]) -> tuple[list[tuple[Tensor, ...]], Tensor]:
        """What every layer makes of the places of typed calls, and at which tokens of their answers
        they are right: of a wrong one there is nothing to learn."""
        packing = pack(twins)
        places, device = places_of(packing, twins), self._model.device
        embeddings = self.embed(twins)[packing.kept.to(device)]
        states: list[Tensor] = []
        wanted = places.wanted.to(device)
        hidden = forward_packed(self._model.llm, embeddings, packing, wanted, states=states)
        logits = self._logits(places.split(hidden)[0])
        right = (logits.argmax(-1) == places.said.to(device)).nonzero()[:, 0]
        return [places.split(state) for state in states], right

    def _logits(self, hidden: Tensor) -> Tensor:
        return self._model.llm.logits(filled_up(hidden))[: len(hidden)]

    def embed(self, sequences: Sequence[CallSequence]) -> Tensor:
        """Embeddings ``[N, E]`` of all calls' positions one after another, features in place of
        their placeholders."""
        model, device = self._model, self._model.device
        embeddings = model.llm.embed(torch.tensor([i for s in sequences for i in s.ids]).to(device))
        images, sounds = self._encode_images(sequences), self._encode_audio(sequences)
        places: list[int] = []
        features: list[Tensor] = []
        start = 0
        for sequence, seen, heard in zip(sequences, images, sounds, strict=True):
            spans = (*sequence.image_spans, *sequence.audio_spans)
            places += [start + place for span in spans for place in range(*span)]
            features += [*seen, *heard]
            start += len(sequence.ids)
        if not features:
            return embeddings
        packed = torch.cat(features).to(embeddings.dtype)
        if len(packed) != len(places):
            raise ValueError(f"{len(packed)} features for {len(places)} placeholders")
        return embeddings.index_put((torch.tensor(places, device=device),), packed)

    def _encode_images(self, sequences: Sequence[CallSequence]) -> list[list[Tensor]]:
        slices = [
            part
            for sequence in sequences
            for part in sequence.slices
            if not isinstance(part, np.ndarray)
        ]
        encoded = iter(self._model.encode_images(slices) if slices else ())
        share, device = self._settings.vision_gradient, self._model.device
        return [
            [
                torch.from_numpy(part).to(device, torch.float32)
                if isinstance(part, np.ndarray)
                else scale_gradient(next(encoded), share)
                for part in sequence.slices
            ]
            for sequence in sequences
        ]

    def _encode_audio(self, sequences: Sequence[CallSequence]) -> list[list[Tensor]]:
        contexts = [context for sequence in sequences for context in sequence.contexts]
        device = self._model.device
        mels = [[unit_mel(unit, device) for unit in context] for context in contexts]
        encoded = iter(encode_contexts(self._model.apm, mels) if mels else ())
        share = self._settings.audio_gradient
        per_sequence: list[list[Tensor]] = []
        for sequence in sequences:
            frames = [scale_gradient(u, share) for _ in sequence.contexts for u in next(encoded)]
            heard = self._model.audio_projection_layer(frames) if frames else []
            before = [torch.from_numpy(part).to(device) for part in sequence.audio_vectors]
            per_sequence.append([*heard, *before])
        return per_sequence

    def _speech_losses(
        self, sequences: Sequence[CallSequence], hidden: Tensor
    ) -> dict[str, Tensor]:
        """The voice of every answer, and the codes of those that come with them.

        ``hidden`` ``[V, E]`` is of the answers whose voice is known, call after call.
        """
        voices = [voice for sequence in sequences for _, voice in sequence.speakers]
        speakers = self._model.tts.project_speaker(hidden.float()).float()
        losses: dict[str, Tensor] = {}
        weighted = speakers.new_zeros(())
        if self._voices is not None:
            table = self._voices.to(hidden.device)
            numbers = torch.tensor(voices, device=hidden.device)
            losses["voice"] = (1 - (speakers * table[numbers]).sum(-1)).mean()
            nearest = (speakers @ table.T).argmax(-1)
            losses["voice_accuracy"] = (nearest == numbers).float().mean()
            weighted = weighted + self._settings.voice_weight * losses["voice"]
        spoken, chosen = [], []
        before = 0
        for sequence in sequences:
            chosen += [before + index for index, _ in sequence.replies]
            spoken += [reply for _, reply in sequence.replies]
            before += len(sequence.speakers)
        if spoken:
            codes = self._code_losses(spoken, speakers[chosen])
            weighted = weighted + codes.pop("weighted")
            losses |= codes
        return {**losses, "weighted": weighted}

    def _code_losses(self, spoken: Sequence[SpokenText], speakers: Tensor) -> dict[str, Tensor]:
        settings, decoder = self._settings, self._model.tts
        streaming = (torch.rand(len(spoken)) < settings.streaming).tolist()
        laid_out = speech_sequences.lay_out(
            spoken, self._model.speech_tokenizer, decoder.config, streaming
        ).to(speakers.device)
        ending = decoder.config.num_audio_tokens - 1
        corrupted = speech_sequences.corrupt(laid_out.frames, ending, settings.corrupted)
        laid_out = replace(laid_out, frames=corrupted)
        logits, attention = speech_sequences.run(decoder, laid_out, speakers, self._guided_layer)
        assert attention is not None
        codes = speech_sequences.code_loss(logits, laid_out.targets)
        guidance = speech_sequences.guidance_loss(attention, laid_out.spoken)
        weighted = settings.speech_weight * codes + settings.guidance_weight * guidance
        return {"codes": codes, "guidance": guidance, "weighted": weighted}
