"""An SDP offer as Chromium makes it (some video codecs left out)."""

from __future__ import annotations

_OFFER = """\
v=0
o=- 4666921803155746143 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:CkvU
a=ice-pwd:ygYtDhQV9OO4bjGAnNtSwCaI
a=ice-options:trickle
a=fingerprint:sha-256 DIGEST
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:- 495c5650-4cff-4b6e-8965-8f0e19f25fe9
a=rtcp-mux
a=rtcp-rsize
a=rtcp-xr:rcvr-rtt=all
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=ssrc:1908874857 cname:RQnjrnY0v0TSnNnz
a=ssrc:1908874857 msid:- 495c5650-4cff-4b6e-8965-8f0e19f25fe9
m=video 9 UDP/TLS/RTP/SAVPF 96 97 108 109
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:CkvU
a=ice-pwd:ygYtDhQV9OO4bjGAnNtSwCaI
a=ice-options:trickle
a=fingerprint:sha-256 DIGEST
a=setup:actpass
a=mid:1
a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:13 urn:3gpp:video-orientation
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type
a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing
a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
a=sendonly
a=msid:- ca9463e9-9988-4f93-a23b-8a2129060784
a=rtcp-mux
a=rtcp-rsize
a=rtcp-xr:rcvr-rtt=all
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:108 H264/90000
a=rtcp-fb:108 goog-remb
a=rtcp-fb:108 transport-cc
a=rtcp-fb:108 ccm fir
a=rtcp-fb:108 nack
a=rtcp-fb:108 nack pli
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:109 rtx/90000
a=fmtp:109 apt=108
a=ssrc-group:FID 3362937977 536021896
a=ssrc:3362937977 cname:RQnjrnY0v0TSnNnz
a=ssrc:3362937977 msid:- ca9463e9-9988-4f93-a23b-8a2129060784
a=ssrc:536021896 cname:RQnjrnY0v0TSnNnz
a=ssrc:536021896 msid:- ca9463e9-9988-4f93-a23b-8a2129060784
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:CkvU
a=ice-pwd:ygYtDhQV9OO4bjGAnNtSwCaI
a=ice-options:trickle
a=fingerprint:sha-256 DIGEST
a=setup:actpass
a=mid:2
a=sctp-port:5000
a=max-message-size:262144
"""
BROWSER_OFFER = _OFFER.replace("DIGEST", ":".join(["BE"] * 32)).replace("\n", "\r\n")
