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
from model.training.dense_audio import encode_contexts, scale_gradient, unit_mel
from model.training.joint_sequence import CallLayout, CallSequence, Guide
from model.training.packed_calls import PackedCall, forward_packed, pack
from model.training.typed_twins import twin_loss, typed_twin

PREFIXES = (
    "llm.", "vpm.", "resampler.", "apm.", "audio_projection_layer.", "tts.projector.",
    "tts.model.", "tts.emb_code.", "tts.emb_text.", "tts.head_code.",
)  # fmt: skip
"""Networks of a call that can be trained together."""
LISTENING_HEAD = 0
"""The head that learns to follow the sound of a word, and to look where it is seen."""
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
    """Of the distance of what is heard from what is read, in the calls' typed twins."""
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
        sequences = [self._layout.lay_out(call) for call in batch.calls]
        packing = pack(sequences)
        calls = packing.calls()
        guided = [(call, s.guides) for call, s in zip(calls, sequences, strict=True) if s.guides]
        listened: list[Tensor] = []

        def probe(layer: int, queries: Tensor, keys: Tensor) -> None:
            if layer == self._listening_layer and guided:
                listened.append(listening_loss(queries, keys, guided))

        targets = torch.tensor([t for s in sequences for t in s.targets])[packing.kept]
        answered = (targets != IGNORED).nonzero()[:, 0]
        asked = torch.tensor([t for s in sequences for t in s.asked])[packing.kept]
        typed = (asked != IGNORED).nonzero()[:, 0]
        speakers = [
            call.place(place)
            for call, s in zip(calls, sequences, strict=True)
            for place, _ in s.speakers
        ]
        device = self._model.device
        places = [answered, typed, torch.tensor(speakers, dtype=torch.int64)]
        wanted = torch.cat(places).to(device)
        embeddings = self.embed(sequences)[packing.kept.to(device)]
        states: list[Tensor] = []
        hidden = forward_packed(
            self._model.llm, embeddings, packing, wanted, probe, states
        )  # [W, E]
        of_answers, of_typed, of_speakers = hidden.split([len(part) for part in places])
        logits = self._model.llm.logits(of_answers)
        said = targets[answered].to(device)
        text = F.cross_entropy(logits, said)
        right = (logits.argmax(-1) == said).float().mean()
        losses = {"text": text, "text_accuracy": right, "loss": text}
        if len(typed):
            expected = asked[typed].to(device)
            losses["asked"] = F.cross_entropy(self._model.llm.logits(of_typed), expected)
            losses["loss"] = losses["loss"] + self._settings.asked_weight * losses["asked"]
        if listened:
            losses["listening"] = listened[0]
            losses["loss"] = losses["loss"] + self._settings.listening_weight * listened[0]
        if self._settings.twin_weight:
            of_layers = [state[: len(answered)] for state in states]
            losses |= self._twin_losses(batch.calls, sequences, of_layers, said)
            if "twin" in losses:
                losses["loss"] = losses["loss"] + self._settings.twin_weight * losses["twin"]
        if speakers:
            speech = self._speech_losses(sequences, of_speakers)
            losses["loss"] = losses["loss"] + speech.pop("weighted")
            losses |= speech
        return losses

    def _twin_losses(
        self,
        calls: Sequence[Call],
        sequences: Sequence[CallSequence],
        heard: Sequence[Tensor],
        said: Tensor,
    ) -> dict[str, Tensor]:
        """How far what is heard is from what is read; of ``heard`` ``[A, E]`` per layer the rows
        are the answers' tokens ``said``, call after call."""
        twins = [typed_twin(call) for call in calls]
        counts = torch.tensor([sum(t != IGNORED for t in s.targets) for s in sequences])
        has_twin = torch.tensor([twin is not None for twin in twins])
        rows = has_twin.repeat_interleave(counts).nonzero()[:, 0].to(said.device)
        if not len(rows):
            return {}
        with torch.no_grad():
            laid_out = [self._layout.lay_out(twin) for twin in twins if twin is not None]
            packing = pack(laid_out)
            targets = torch.tensor([t for s in laid_out for t in s.targets])[packing.kept]
            wanted = (targets != IGNORED).nonzero()[:, 0].to(said.device)
            embeddings = self.embed(laid_out)[packing.kept.to(said.device)]
            read: list[Tensor] = []
            final = forward_packed(self._model.llm, embeddings, packing, wanted, states=read)
            # Of a wrong answer there is nothing to learn.
            right = (self._model.llm.logits(final).argmax(-1) == said[rows]).nonzero()[:, 0]
        if not len(right):
            return {}
        ours = [state[rows[right]] for state in heard]
        return {"twin": twin_loss(ours, [state[right] for state in read])}

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


def listening_loss(
    queries: Tensor, keys: Tensor, guided: Sequence[tuple[PackedCall, Sequence[Guide]]]
) -> Tensor:
    """Minus the log of one head's attention to where the next token is heard or seen.

    Args:
        queries: Rotated ``[N, H, D]`` of a packed batch.
        keys: Rotated ``[N, Hkv, D]``.
        guided: Calls, and what is listened to in each; at least one guide.

    Returns:
        The mean over the guides.
    """
    losses = []
    for call, guides in guided:
        places = [call.place(guide.position) for guide in guides]
        asked = queries[places, LISTENING_HEAD].float()  # [G, D]
        offered = call.whole(keys[:, 0]).float()  # [T, D]
        scores = asked @ offered.T / asked.shape[-1] ** 0.5
        index = torch.arange(len(offered), device=keys.device)
        own = torch.tensor([guide.position for guide in guides], device=keys.device)
        spans = torch.tensor([guide.source for guide in guides], device=keys.device)
        scores = scores.masked_fill(index > own[:, None], -torch.inf)
        near = (index >= spans[:, :1]) & (index < spans[:, 1:])
        attention = scores.log_softmax(-1).masked_fill(~near, -torch.inf)
        losses.append(-attention.logsumexp(-1))
    return torch.cat(losses).mean()
