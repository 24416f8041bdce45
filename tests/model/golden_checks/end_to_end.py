"""Golden check h, case e2e: system prompt and units in, text and speech out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from model.dialogue import Dialogue, DialogueStep
from model.image_slicing import ImageSlice, slice_image
from model.omni import AudioClip, OmniModel, OmniState
from model.prompt import AudioItem, ContentItem, ImageItem, Template, encode_prompt, system_prompt
from model.sampling import GREEDY, draw_tokens
from model.speech.burst_text_feed import SPEECH_END
from model.speech.code_sampling import CodeSampler
from model.speech.synthesizer import Finished, SpeechPiece, SpeechStream, run_alone
from model.text_generation import FinishReason, GenerationSettings, TextGeneration
from tests.model.golden_checks.language import WEIGHTS, faithful_model
from tests.model.golden_checks.registry import Comparison, GoldenSet, golden_check
from tests.model.golden_checks.speech_loop import SPEECH, SPEECH_ARRAYS, compare_waves, quiet

ROW = 0
CONTEXT_TOKENS = 2048
RECIPE = re.compile(
    r"sys (?P<mode>\w+)/(?P<language>\w+) with ref "
    r"audio\((?P<voice_s>[\d.]+)s,seed=(?P<seed>\d+)\); "
    r"(?P<units>\d+) units: image (?P<width>\d+)x(?P<height>\d+) seed \d+\+u, "
    r"audio (?P<unit_s>[\d.]+)s seed \d+\+(?P<audio_seed>\d+)\+u; "
    r"streaming_generate max_new_tokens=(?P<tokens>\d+) greedy, "
    r"audio noise seed \d+\+(?P<noise_seed>\d+), no_eos_before_draw (?P<no_eos>\d+)"
)


class Session:
    """One row of the model that is prefilled and answers, as the recipe says."""

    def __init__(self, golden: GoldenSet, recipe: str) -> None:
        found = RECIPE.fullmatch(recipe)
        assert found, f"unknown recipe {recipe!r}"
        self.facts: dict[str, str] = found.groupdict()
        self.seed = int(self.facts["seed"])
        self.golden = golden
        self.model: OmniModel = faithful_model(golden)
        self.state: OmniState = self.model.allocate(ROW + 1, CONTEXT_TOKENS)
        self.dialogue = Dialogue(self.model.quirks)
        self.completed = False

    def number(self, name: str) -> int:
        """A whole number of the recipe."""
        return int(self.facts[name])

    def audio(self, seconds: str, seed: int) -> Tensor:
        """A clip of the set's generator."""
        return torch.from_numpy(self.golden.inputs.synth_audio(float(seconds), seed))

    def append(
        self, step: DialogueStep, slices: Sequence[ImageSlice] = (), clip: Tensor | None = None
    ) -> tuple[Sequence[int], Tensor, int]:
        """Prefill a step; its ids, hidden states and the place of the last speaker."""
        model, state = self.model, self.state
        if step.clears_audio:
            state.audio.clear(ROW)
        prompt = encode_prompt(step.items, model.tokenizer, model.config)
        clips = [] if clip is None else [AudioClip(ROW, clip)]
        features = model.encode_audio(clips, state) if clips else []
        if step.clears_audio:
            state.audio.clear(ROW)
        embeddings = model.embed(prompt, model.encode_images(slices), features)
        [hidden] = model.prefill([ROW], [embeddings], state)
        place = prompt.speaker_spans[-1][0] if prompt.speaker_spans else -1
        return prompt.ids, hidden, place

    def prefill(self) -> None:
        """The system prompt with its reference voice, and the units."""
        voice = self.audio(self.facts["voice_s"], self.seed)
        mode: Any = self.facts["mode"]
        language: Any = self.facts["language"]
        content = system_prompt(mode, language, AudioItem(len(voice)))
        self.append(self.dialogue.prefill("user", content), clip=voice)
        size = self.number("width"), self.number("height")
        for unit in range(self.number("units")):
            picture = self.golden.inputs.synth_image(*size, self.seed + unit)
            sliced = slice_image(picture, self.model.config, 1)
            clip = self.audio(self.facts["unit_s"], self.seed + self.number("audio_seed") + unit)
            items: list[ContentItem] = [
                Template("<unit>"),
                ImageItem(sliced.grid),
                AudioItem(len(clip)),
            ]
            self.append(self.dialogue.prefill("user", items), sliced.slices, clip)

    def bursts(self, hidden: Tensor, prompt_ids: Sequence[int]) -> Iterator[str]:
        """The answer's text; complete once the element after the last was asked for."""
        model = self.model
        settings = GenerationSettings(max_tokens=self.number("tokens"), sampling=GREEDY)
        generation = TextGeneration(
            model.tokenizer, settings, prompt_ids=prompt_ids, quirks=model.quirks
        )
        logits = model.llm.logits(hidden[-1:])
        while True:
            [token_id] = draw_tokens(logits, [generation.draw()])
            if (text := generation.accept(token_id)) is not None:
                yield text
            if generation.done:
                break
            logits, _ = model.decode_text([ROW], [token_id], self.state)
        self.completed = generation.finish is FinishReason.STOP

    def answer(self, noise: Any) -> tuple[list[SpeechPiece], str]:
        """Speak the answer; the pieces and the text that was shown with them."""
        model = self.model
        ids, hidden, place = self.append(self.dialogue.respond())
        speaker = model.tts.project_speaker(hidden[place : place + 1])[0]
        sampler = CodeSampler(model.config.speech, draw=quiet(noise), quirks=model.quirks)
        stream = SpeechStream(model.speech_tokenizer, quirks=model.quirks)
        pieces: list[SpeechPiece] = []
        shown = ""
        bursts = self.bursts(hidden, ids)
        while not isinstance(stream.work(), Finished):
            burst = next(bursts, None)
            if burst is None:
                stream.finish_text()
            else:
                stream.push_text(burst)
                shown += burst.split(SPEECH_END)[0]
            networks = (model.tts, model.vocoder, self.state.speech)
            pieces += run_alone(stream, *networks, ROW, sampler, speaker)
        return pieces, shown


@golden_check("h end to end", SPEECH, SPEECH_ARRAYS, "assets/Vocos.pt", *WEIGHTS)
def check_end_to_end(golden: GoldenSet, compare: Comparison) -> None:
    """Captions, sample counts and wave of a whole turn."""
    for case in golden.json(SPEECH):
        if "recipe" not in case:
            continue
        session = Session(golden, case["recipe"])
        noise = golden.inputs.NoiseSampler(
            "noise", session.seed + session.number("noise_seed"), session.number("no_eos")
        )
        session.prefill()
        pieces, shown = session.answer(noise)
        starts = [0, *(piece.text_end for piece in pieces)]
        chunks = [
            {"text": shown[start : piece.text_end], "n_samples": len(piece.wave)}
            for start, piece in zip(starts, pieces, strict=False)
        ]
        name = case["name"]
        compare.equal(f"{name} chunks", chunks, case["chunks"])
        compare.equal(f"{name} draws", noise.n, case["sampler_draws"])
        compare.equal(f"{name} completed", session.completed, case["llm_completed"])
        total = sum(len(piece.wave) for piece in pieces)
        compare.equal(f"{name} total", total, case["total_samples"])
        waves = [piece.wave for piece in pieces]
        compare_waves(compare, name, waves, golden.npz(SPEECH_ARRAYS))
