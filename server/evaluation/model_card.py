"""The model card, written from an evaluation's report: every figure in it was measured."""

from __future__ import annotations

from collections.abc import Iterable

from server.evaluation.report import Report
from server.evaluation.report_table import bound, interval_of, reached, shown

CARD_NAME, REPORT_NAME = "MODEL_CARD.md", "evaluation.json"
"""Beside each other in the checkpoint's folder."""
MB = 1e6

_HEADER = """---
license: apache-2.0
language: en
pipeline_tag: any-to-any
---

# {name}

{name} is a small omni-modal model for real-time voice and video calls: it hears English, sees,
reads and speaks. It has the architecture, checkpoint layout, tokens, prompts and masks of
`openbmb/MiniCPM-o-2_6` with smaller dimensions and vocabularies, and was trained from scratch; no
weight comes from another model. It has {parameters:.1f} M parameters and takes {size:.1f} MB.

It is **closed-domain**: it answers the questions it was made for and says that it does not know
where it is asked anything else. It is there so that a call can be had on a laptop without a
download, and so that tests of the server mean something. It is no assistant.
"""

_ABILITIES = """
## What it was made for

- Hear: greetings, what it is and can do, thanks, goodbye, "repeat after me", "what did I say",
  "say it again", "slower", "stop", small sums, everyday facts (days, months, opposites, animals'
  sounds), and tell silence, beeps, knocks and tones from speech.
- See: colour, shape, size, number, place and relation of up to five simple objects, "is there a red
  circle?", and that there is nothing.
- Remember: what was shown first, what changed, how many things there were, what was asked first,
  under which cup the ball is.
- Read typed questions, with the same answers; speak in two voices, chosen by the reference audio of
  the system prompt.
"""

_TRAINING = """
## How it was trained

By the code in `model/training/`, in stages: codec, vocoder, speech decoder, audio encoder, vision
encoder, then all together on whole calls laid out as the server lays them out. Fixed seeds; see
`ARCHITECTURE.md` for how to run it again.

## Data

Everything was made by the same code from seeds; nothing was downloaded. Questions are spoken by
flite (awb, kal16, rms) and espeak-ng, with varied rate, pitch, rooms, noise, gain and microphones.
The speakers slt and ked are never heard in training: they are the unheard voices of the evaluation.
Answers are spoken by festival's slt and flite's rms. Pictures are drawn by three generators;
the evaluation's come from a fourth. One sentence of five is kept for the evaluation.
"""

_LIMITS = """
## Limits

- Outside its domain it is wrong or says that it does not know; it never knows more than a few
  hundred words.
- It was trained on synthetic voices and drawn pictures alone. People, rooms and cameras differ from
  these, and so will the figures.
- English only. Its voices are those of speech synthesizers, and no better.
- Figures that do not reach their bar are marked so in the table above.

## Licence

Apache-2.0, as the repository. The weights derive from no other model.
"""


def model_card(report: Report) -> str:
    """The text of ``MODEL_CARD.md``."""
    checkpoint = report["checkpoint"]
    label = checkpoint["name"] if checkpoint["trained"] else f"{checkpoint['name']} (untrained)"
    header = _HEADER.format(
        name=label,
        parameters=checkpoint["parameters"] / 1e6,
        size=checkpoint["size_bytes"] / MB,
    )
    parts = [header, _ABILITIES, _figures(report), _TRAINING, _transcripts(report), _LIMITS]
    return "".join(parts)


def _figures(report: Report) -> str:
    rows = [
        f"| {row['title']} | {shown(row, row['value'])} | {interval_of(row)} "
        f"| {row['n']} | {bound(row, row['bar'])} | {bound(row, row['stretch'])} | {reached(row)} |"
        for row in report["measures"]
        if row["value"] is not None
    ]
    left_out = [
        f"- {row['title']}" for row in report["measures"] if row["value"] is None and row["bar"]
    ]
    text = _section(
        "Figures",
        [
            "Measured through the server's engine, streaming, in whole calls: sentences, pictures "
            "and scenes that training never saw, the pictures drawn by a generator it never saw. "
            "An answer is right if it is word for word one of the right answers.",
            "",
            "| measure | figure | 95 % interval | n | bar | stretch | reached |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *rows,
        ],
    )
    machine = report["machine"]
    text += f"\nOn {machine['processor']}, {machine['cores']} cores, torch {machine['torch']}.\n"
    if left_out:
        text += "\nNot measured:\n\n" + "\n".join(left_out) + "\n"
    return text + _by_group(report) + _speech(report)


def _by_group(report: Report) -> str:
    conditions = report["conditions"].values()
    groups = list(dict.fromkeys(group for one in conditions for group in one["groups"]))
    if not groups:
        return ""
    rows = [f"| right answers, % | all | {' | '.join(groups)} |"]
    rows.append("| --- " * (len(groups) + 2) + "|")
    for condition in conditions:
        scores = [condition["score"], *(condition["groups"].get(group) for group in groups)]
        cells = ["" if score is None else f"{score['percent']:.1f}" for score in scores]
        rows.append(f"| {condition['title']} | {' | '.join(cells)} |")
    return "\n" + "\n".join(rows) + "\n"


def _speech(report: Report) -> str:
    speech = report["speech"]
    if speech is None:
        return ""
    lines = []
    words, voices, remade = (
        speech["intelligibility"],
        speech["right_voice"],
        speech["resynthesis"],
    )
    if words["n"]:
        lines.append(
            f"A recogniser that knows neither domain nor voices (pocketsphinx) misheard "
            f"{words['reply_wer']:.1f} % of the words of {words['n']} replies, and "
            f"{words['teacher_wer']:.1f} % of the same texts in the teachers' voices."
        )
    judged = voices["judge_on_teachers"]
    lines.append(
        f"The judge of voices names {judged['right']} of {judged['n']} of the teachers' own clips "
        "rightly."
    )
    if remade["codec_and_vocoder"]:
        through = remade["codec_and_vocoder"]
        lines.append(
            f"Through codec and vocoder: PESQ-wb {through['pesq']:.2f}, STOI {through['stoi']:.3f}."
        )
    return "\n" + "\n".join(lines) + "\n"


def _transcripts(report: Report) -> str:
    lines: list[str] = []
    for number, call in enumerate(report["transcripts"], 1):
        lines += [
            "",
            f"Call {number}, spoken by {call['caller']}, answered as {call['voice']}:",
            "",
        ]
        for turn in call["turns"]:
            shown_text = f" *(shown: {turn['shown']})*" if turn["shown"] else ""
            mark = "" if turn["right"] else " **(wrong)**"
            lines.append(f"- “{turn['asked']}”{shown_text} → “{turn['said']}”{mark}")
            if "heard" in turn:
                lines.append(f"  - a recogniser heard: “{turn['heard']}”")
    return _section("Calls", lines[1:]) if lines else ""


def _section(title: str, lines: Iterable[str]) -> str:
    return f"\n## {title}\n\n" + "\n".join(lines) + "\n"
