"""Every stage of the model on its own, for one session, at growing fill of the context."""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import SAMPLES_PER_UNIT
from model.image_slicing import ImageSlice, slice_image
from model.omni import AudioClip, OmniModel, OmniState
from model.prompt import UNIT, AudioItem, ContentItem, ImageItem, Prompt, encode_prompt
from model.speech.speech_decoder import SpeechStep, TextPrefill
from server.cli.bench_measure import FRAME_SHAPE, FigureTable, measure

WINDOW_FRAMES = 29
"""Codes of a vocode window that is not a response's first: 25 new ones and 4 of overlap."""
ROW = 0
MARGIN_TOKENS = 1024
SPOKEN_TOKENS = 10
"""Text tokens a speech step sees: the first piece of a response."""
SHORT_STAGE_REPEATS = 4
"""Times as many runs of the stages that take only a few milliseconds."""


class StageBench:
    """One model, one session, measured stage by stage."""

    def __init__(self, model: OmniModel, max_units: int, repeats: int) -> None:
        """Allocate one row that holds ``max_units`` video units."""
        self.model = model
        self.repeats = repeats
        generator = torch.Generator().manual_seed(0)
        self.frame = torch.randint(0, 256, FRAME_SHAPE, generator=generator, dtype=torch.uint8)
        self.samples = torch.randn(SAMPLES_PER_UNIT, generator=generator) * 0.1
        speech = model.config.speech
        highest = speech.num_audio_tokens - 1  # the last id ends the speech and is no sound
        shape = (WINDOW_FRAMES, speech.num_vq)
        self.window = torch.randint(0, highest, shape, generator=generator)
        capacity = (max_units + 2) * self.video_prompt_tokens() + MARGIN_TOKENS
        self.state: OmniState = model.allocate(1, capacity)
        self.units = 0

    def video_prompt_tokens(self) -> int:
        """Positions one video unit takes."""
        return len(self._prompt([UNIT, ImageItem(), AudioItem(SAMPLES_PER_UNIT)]).ids)

    def fill_to(self, units: int) -> None:
        """Prefill video units until the row holds ``units`` of them."""
        while self.units < units:
            self.video_unit()
            self.units += 1

    def run(self, table: FigureTable) -> None:
        """Measure every stage at the present fill."""
        column = f"{self.units} units"
        language, audio = self.state.language.lengths[ROW], self.state.audio.lengths[ROW]

        def rewind() -> None:
            self.state.language.truncate(ROW, language)
            self.state.audio.lengths[ROW] = audio

        def add(name: str, values: list[float]) -> None:
            table.add(name, column, values)

        add("video unit", measure(self.video_unit, self.repeats, rewind))
        add("  slicing", measure(self.slice_frame, self.repeats))
        slices = self.slice_frame()
        add("  vision + resampler", measure(lambda: self.model.encode_images(slices), self.repeats))
        add("  audio encoder with mel", measure(self.encode_audio, self.repeats, rewind))
        images, sound = self.model.encode_images(slices), self.encode_audio()
        rewind()
        add(
            "  language model",
            measure(lambda: self.prefill_video(images, sound), self.repeats, rewind),
        )
        add("audio unit", measure(self.audio_unit, self.repeats, rewind))
        token = [self.model.tokenizer.id_of("<|tts_bos|>")]
        add(
            "text token",
            measure(
                lambda: self.model.decode_text([ROW], token, self.state),
                self.repeats * SHORT_STAGE_REPEATS,
                rewind,
            ),
        )
        if self.units == 0:
            self._measure_speech(table, column)

    def _measure_speech(self, table: FigureTable, column: str) -> None:
        """Stages that do not depend on the context."""
        speech, tts = self.state.speech, self.model.tts
        tts.begin(speech, ROW)
        tts.prefill_text([TextPrefill(ROW, 0, [1] * SPOKEN_TOKENS)], speech)
        tts.step([SpeechStep(ROW, None, SPOKEN_TOKENS)], speech)
        codes = self.window[0]
        step = measure(
            lambda: tts.step([SpeechStep(ROW, codes, SPOKEN_TOKENS)], speech),
            self.repeats * SHORT_STAGE_REPEATS,
        )
        table.add("speech step (4 codes)", column, step)
        mel = tts.dvae.decode(self.window.unsqueeze(0).to(self.model.device))
        dvae = measure(lambda: tts.dvae.decode(self.window.unsqueeze(0)), self.repeats)
        table.add(f"DVAE, {WINDOW_FRAMES} frames", column, dvae)
        table.add(
            f"Vocos, {WINDOW_FRAMES} frames",
            column,
            measure(lambda: self.model.vocoder(mel.float()), self.repeats),
        )

    # --- the stages

    def slice_frame(self) -> list[ImageSlice]:
        """Preprocess the frame: one slice."""
        return slice_image(self.frame.numpy(), self.model.config, 1).slices

    def encode_audio(self) -> list[Tensor]:
        """Features and encoder of one second of audio."""
        return self.model.encode_audio([AudioClip(ROW, self.samples)], self.state)

    def prefill_video(self, images: list[Tensor], audio: list[Tensor]) -> None:
        """The language model's part of a video unit."""
        prompt = self._prompt([UNIT, ImageItem(), AudioItem(SAMPLES_PER_UNIT)])
        self.model.prefill([ROW], [self.model.embed(prompt, images, audio)], self.state)

    def video_unit(self) -> None:
        """One frame and one second of audio, from pixels and samples to the cache."""
        self.prefill_video(self.model.encode_images(self.slice_frame()), self.encode_audio())

    def audio_unit(self) -> None:
        """One second of audio, from samples to the cache."""
        prompt = self._prompt([AudioItem(SAMPLES_PER_UNIT)])
        embedded = self.model.embed(prompt, (), self.encode_audio())
        self.model.prefill([ROW], [embedded], self.state)

    def _prompt(self, items: list[ContentItem]) -> Prompt:
        return encode_prompt(items, self.model.tokenizer, self.model.config)
