"""A call as the engine places it, for comparison with the batches of training."""

from __future__ import annotations

import torch
from torch import Tensor

from model.dialogue import Dialogue
from model.image_slicing import slice_image
from model.omni import AudioClip, OmniModel
from model.prompt import UNIT, AudioItem, ContentItem, ImageItem, encode_prompt, system_prompt
from model.training.batches import Call, CallTurn


class CallInSteps:
    """A call through the caches, message by message, as the engine does it."""

    def __init__(self, model: OmniModel) -> None:
        self.model = model
        self.state = model.allocate(1, 512)
        self.dialogue = Dialogue()
        self.hidden: list[Tensor] = []

    def feed(self, step_items: object, images: list[Tensor], audio: list[Tensor]) -> None:
        prompt = encode_prompt(step_items, self.model.tokenizer, self.model.config)  # type: ignore[arg-type]
        embeddings = self.model.embed(prompt, images, audio)
        self.hidden += self.model.prefill([0], [embeddings], self.state)

    def hear(self, samples: object) -> list[Tensor]:
        clip = AudioClip(0, torch.as_tensor(samples))
        return self.model.encode_audio([clip], self.state)

    def place(self, call: Call) -> Tensor:
        """All of a call, its answers as they are given."""
        model = self.model
        self.open(call)
        for turn in call.turns:
            self.ask(call, turn)
            for token in [*model.tokenizer.encode_foreign(turn.reply), model.tokenizer.tts_eos]:
                _, hidden = model.decode_text([0], [token], self.state)
                self.hidden.append(hidden)
            self.dialogue.complete()
        return torch.cat(self.hidden)

    def place_until_answer(self, call: Call) -> list[int]:
        """The first turn of a call, and what the model says to it."""
        model = self.model
        self.open(call)
        self.ask(call, call.turns[0])
        logits = model.llm.logits(self.hidden[-1][-1:])
        said = [int(logits.argmax())]
        while said[-1] not in model.tokenizer.terminators and len(said) < 30:
            logits, _ = model.decode_text([0], said[-1:], self.state)
            said.append(int(logits.argmax()))
        return said

    def open(self, call: Call) -> None:
        voice = None if call.voice_samples is None else AudioItem(len(call.voice_samples))
        step = self.dialogue.prefill("user", system_prompt(call.mode, "en", voice))
        heard = [] if call.voice_samples is None else self.hear(call.voice_samples)
        self.feed(step.items, [], heard)
        self.state.audio.clear(0)

    def ask(self, call: Call, turn: CallTurn) -> None:
        model = self.model
        for unit in turn.units:
            items: list[ContentItem] = [UNIT] if call.mode == "omni" else []
            images, audio = [], []
            if unit.image is not None:
                sliced = slice_image(unit.image, model.config, 1)
                images = model.encode_images(sliced.slices)
                items.append(ImageItem(sliced.grid))
            if unit.samples is not None:
                audio = self.hear(unit.samples)
                items.append(AudioItem(len(unit.samples)))
            self.feed(self.dialogue.prefill("user", items).items, images, audio)
        if turn.typed:
            self.feed(self.dialogue.prefill("user", [turn.typed]).items, [], [])
        self.feed(self.dialogue.respond().items, [], [])
        self.state.audio.clear(0)
