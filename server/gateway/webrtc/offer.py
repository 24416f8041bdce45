"""A caller's SDP offer: checked, and cleaned of what only costs time.

No I/O. What passes here still goes through aiortc's own parser, whose errors say nothing a caller
could act on; the checks are for the mistakes that people make and the offers that attackers send.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from aiortc.sdp import SessionDescription

from server.errors import ProtocolError, RequestTooLargeError

MAX_CANDIDATES = 64
"""Addresses tried per offer; a browser names fewer than ten."""
AUDIO_CODECS = ("opus/48000",)
VIDEO_CODECS = ("vp8/90000", "h264/90000")
KINDS = ("audio", "video", "application")
TRANSPORT_ATTRIBUTES = ("ice-ufrag", "ice-pwd", "fingerprint", "setup")
PARSER_ERRORS = (
    ValueError,
    AssertionError,
    LookupError,
    TypeError,
    AttributeError,
    StopIteration,
)
"""What aiortc's parser raises at malformed text."""
CANDIDATE_FIELDS = 6
"""Of which the third is the transport and the fifth the address (RFC 8839)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be answered."""

    sdp: str
    has_video: bool


@dataclass(slots=True)
class _Section:
    """A part of the text: the head of the session, or one medium."""

    kind: str
    """Empty for the head."""
    lines: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Values of the attribute ``a=name:value``."""
        start = f"a={name}:"
        return [line.removeprefix(start).strip() for line in self.lines if line.startswith(start)]


def read_offer(text: str, max_bytes: int) -> Offer:
    """The offer in a request.

    Raises:
        RequestTooLargeError: It is longer than ``max_bytes``.
        ProtocolError: ``invalid_offer`` with what is wrong and what would be right.
    """
    if len(text.encode(errors="replace")) > max_bytes:
        raise RequestTooLargeError(f"an SDP offer is at most {max_bytes} bytes; send less")
    if not text.startswith("v=0"):
        raise _invalid("this is no SDP offer; it has to begin with v=0")
    head, *media = _sections(text)
    _check_media(media)
    _check_bundle(head, media)
    for section in media:
        _check_transport(section, head)
        _check_codecs(section)
    cleaned = "".join(line + "\r\n" for line in _without_useless_candidates([head, *media]))
    try:
        SessionDescription.parse(cleaned)
    except PARSER_ERRORS as error:
        raise _invalid("the SDP offer cannot be read; send what createOffer() returned") from error
    return Offer(cleaned, has_video=any(section.kind == "video" for section in media))


def _sections(text: str) -> list[_Section]:
    sections = [_Section("")]
    for line in text.splitlines():
        if line.startswith("m="):
            sections.append(_Section(line[2:].split(" ", 1)[0]))
        sections[-1].lines.append(line)
    return sections


def _check_media(media: list[_Section]) -> None:
    kinds = [section.kind for section in media]
    if "audio" not in kinds:
        raise _invalid("the offer has no audio; add a microphone track or an audio transceiver")
    if "application" not in kinds:
        raise _invalid(
            "the offer has no data channel; create one called 'oai-events' before the offer"
        )
    for kind in kinds:
        if kind not in KINDS or kinds.count(kind) > 1:
            raise _invalid(
                f"the offer has {len(kinds)} media; a call takes one audio, one data channel and "
                "at most one video"
            )


def _check_bundle(head: _Section, media: list[_Section]) -> None:
    groups = [value.split() for value in head.values("group")]
    bundled = {mid for group in groups if group[:1] == ["BUNDLE"] for mid in group[1:]}
    mids = [mid for section in media for mid in section.values("mid")]
    if len(set(mids)) != len(media) or not bundled.issuperset(mids):
        raise _invalid("all media of the offer have to be in one BUNDLE group, each with its mid")


def _check_transport(section: _Section, head: _Section) -> None:
    for name in TRANSPORT_ATTRIBUTES:
        values = section.values(name) + head.values(name)
        if not values or not all(values):
            raise _invalid(f"the offer's {section.kind} has no a={name}")


def _check_codecs(section: _Section) -> None:
    known = {"audio": AUDIO_CODECS, "video": VIDEO_CODECS}.get(section.kind)
    if known is None:
        return
    offered = [value.partition(" ")[2].lower() for value in section.values("rtpmap")]
    if not any(codec.startswith(known) for codec in offered):
        names = " or ".join(codec.split("/")[0] for codec in known)
        raise _invalid(f"the offer's {section.kind} has none of the codecs taken: {names}")


def _without_useless_candidates(sections: list[_Section]) -> list[str]:
    """All lines, but for addresses that cannot be reached.

    Names under `.local` would be asked for on the local network, for a second each; TCP is not
    spoken here.
    """
    kept: list[str] = []
    n_candidates = 0
    for line in (line for section in sections for line in section.lines if line.strip()):
        if line.startswith("a=candidate:"):
            n_candidates += 1
            if n_candidates > MAX_CANDIDATES or not _is_reachable(line):
                continue
        kept.append(line)
    return kept


def _is_reachable(line: str) -> bool:
    fields = re.split(r"\s+", line)
    if len(fields) < CANDIDATE_FIELDS or fields[2].lower() != "udp":
        return False
    try:
        ipaddress.ip_address(fields[4])
    except ValueError:
        return False
    return True


def _invalid(message: str) -> ProtocolError:
    return ProtocolError(message, code="invalid_offer", param="sdp")
