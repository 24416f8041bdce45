"""``python -m model.training.recipe``: make what the stages of pocket read.

    python -m model.training.recipe corpus
    python -m model.training.recipe clips --workers 2
    python -m model.training.recipe pictures --files 84
    python -m model.training.recipe codes --from runs/codec/checkpoint
    python -m model.training.recipe vectors --from runs/vision/checkpoint
    python -m model.training.recipe sounds --from runs/audio/checkpoint
    python -m model.training.recipe voices --out runs/voices

What the stages read goes below ``$OMNICALL_TRAINING_DIR`` (``runs`` where it is not set); what is
there is not made again.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from model.omni import OmniModel
from model.training.export import load_for_training
from model.training.recipe.call_data import (
    SOUNDS_FOLDER,
    encode_pictures,
    encode_quiz_pictures,
    record_references,
    record_voices,
)
from model.training.recipe.corpus import corpus
from model.training.recipe.encoded_calls import encode_calls
from model.training.recipe.folders import training_folder
from model.training.recipe.pictures import draw_file
from model.training.recipe.questions import CALLS, question_clips, question_requests
from model.training.recipe.replies import (
    encode_replies,
    reply_clips,
    sentence_requests,
    styled_replies,
)
from model.training.speech_data.cache import write_progress_line

logger = logging.getLogger("omnicall.training")

N_FILES = 84
FILE_CALLS = 250
"""Calls whose sound is in one file."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m model.training.recipe", description=__doc__)
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("corpus", help="sentences for the tokenizers")
    clips = commands.add_parser("clips", help="speech: answers, questions, reference voices")
    clips.add_argument("--workers", type=int, default=1, help="processes")
    pictures = commands.add_parser("pictures", help="files of pictures for the vision stage")
    pictures.add_argument("--files", type=int, default=N_FILES)
    for name, text in (
        ("codes", "answers as codes of a trained codec"),
        ("vectors", "pictures of calls as a trained vision encoder sees them"),
        ("sounds", "what is heard in calls as a trained audio encoder hears it"),
    ):
        made_by = commands.add_parser(name, help=text)
        made_by.add_argument("--from", dest="start", type=Path, required=True, help="checkpoint")
    voices = commands.add_parser("voices", help="recordings that ship as the model's voices")
    voices.add_argument("--out", type=Path, required=True, help="folder")
    for name in ("vectors", "sounds"):
        commands.choices[name].add_argument("--calls", type=int, default=len(CALLS))
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    folder = training_folder()
    folder.mkdir(parents=True, exist_ok=True)
    match options.command:
        case "corpus":
            (folder / "corpus.txt").write_text("\n".join(corpus()), encoding="utf-8")
        case "clips":
            requests = [reply.request for reply in styled_replies()] + sentence_requests()
            reply_clips().fill(requests, options.workers, write_progress_line)
            question_clips().fill(question_requests(), options.workers, write_progress_line)
            record_references(folder / "references")
        case "pictures":
            for index in range(options.files):
                draw_file(0, index)
                logger.info("pictures: %d of %d files", index + 1, options.files)
        case "codes":
            encode_replies(_model(options.start), folder / "codes")
        case "voices":
            record_voices(options.out)
        case "vectors":
            model = _model(options.start)
            encode_quiz_pictures(model, folder / "vectors")
            encode_pictures(model, folder / "vectors", CALLS[: options.calls])
        case "sounds":
            model = _model(options.start)
            for done in range(0, options.calls, FILE_CALLS):
                seeds = CALLS[: options.calls][done : done + FILE_CALLS]
                encode_calls(model, folder / SOUNDS_FOLDER, seeds, question_clips().read)
                logger.info("sounds: %d of %d calls", done + len(seeds), options.calls)


def _model(folder: Path) -> OmniModel:
    torch.set_num_threads(1)
    model = load_for_training(folder)
    model.requires_grad_(False)
    return model.eval()


if __name__ == "__main__":
    main()
