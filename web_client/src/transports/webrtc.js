// A call over WebRTC: audio and video as media, events over the data channel.

import { CallError } from "../call_errors.js";

/** @typedef {import("./transport.js").RealtimeEvent} RealtimeEvent */
/** @typedef {import("./transport.js").Transport} Transport */
/** @typedef {import("./transport.js").TransportOptions} TransportOptions */
/** @typedef {import("./transport.js").TransportStats} TransportStats */

const CONNECT_TIMEOUT_MS = 10_000;
const GATHER_TIMEOUT_MS = 2000;
const LOST_AFTER_MS = 5000;
const CHANNEL = "oai-events";
const LOST = 1006;
const GONE = "call_not_found";
const FRAMES_PER_S = 5; // the model looks once a second; decoding more is waste
const MAX_BITRATE_BPS = 1_500_000;

/** @implements {Transport} */
export class WebRtcTransport {
  /** @readonly */
  kind = "webrtc";
  isResumed = false;
  callId = "";
  /** @type {TransportOptions} */
  #options;
  /** @type {RTCPeerConnection} */
  #peer;
  /** @type {RTCDataChannel} */
  #channel;
  /** @type {RTCRtpSender} */
  #audioSender;
  /** @type {RTCRtpSender} */
  #videoSender;
  #speaker = new Audio();
  #context = new AudioContext();
  #lostTimer = 0;
  #isOver = false;
  #endReason = "";

  /**
   * @param {TransportOptions} options
   * @param {RTCIceServer[]} iceServers
   */
  constructor(options, iceServers) {
    this.#options = options;
    this.remoteAnalyser = new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#channel = this.#peer.createDataChannel(CHANNEL);
    this.#audioSender = this.#peer.addTransceiver("audio", { direction: "sendrecv" }).sender;
    this.#videoSender = this.#peer.addTransceiver("video", {
      direction: "sendonly",
      sendEncodings: [{ maxFramerate: FRAMES_PER_S, maxBitrate: MAX_BITRATE_BPS }],
    }).sender;
    this.#peer.ontrack = ({ track }) => this.#hear(track);
    this.#peer.onconnectionstatechange = () => this.#watch();
    this.#channel.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#channel.onclose = () => this.#end(LOST);
  }

  /**
   * @param {TransportOptions} options
   * @returns {Promise<WebRtcTransport>}
   */
  static async connect(options) {
    if (typeof RTCPeerConnection === "undefined") {
      throw new CallError("errorUnreachable");
    }
    const transport = new WebRtcTransport(options, await options.api.iceServers());
    try {
      await transport.#place();
      await transport.#opened();
      return transport;
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  /** @param {RealtimeEvent} event */
  send(event) {
    if (this.#channel.readyState === "open") {
      this.#channel.send(JSON.stringify(event));
    }
  }

  /** @param {MediaStreamTrack | null} track */
  setMicrophone(track) {
    this.#replace(this.#audioSender, track);
  }

  /** @param {MediaStreamTrack | null} track */
  setPicture(track) {
    this.#replace(this.#videoSender, track);
  }

  stopSpeech() {
    this.send({ type: "output_audio_buffer.clear" });
  }

  wallTimeOf() {
    return null; // the server's audio time begins at a moment only it knows
  }

  /** @returns {Promise<TransportStats>} */
  async stats() {
    /** @type {TransportStats} */
    const stats = { rttMs: null, jitterMs: null, lossPercent: null, gaps: 0, droppedMs: 0 };
    for (const report of (await this.#peer.getStats()).values()) {
      if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime) {
        stats.rttMs = 1000 * report.currentRoundTripTime;
      } else if (report.type === "inbound-rtp" && report.kind === "audio") {
        const total = report.packetsLost + report.packetsReceived;
        stats.jitterMs = 1000 * report.jitter;
        stats.lossPercent = total > 0 ? (100 * Math.max(0, report.packetsLost)) / total : null;
        stats.gaps = report.concealmentEvents ?? 0;
      }
    }
    return stats;
  }

  close() {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#speaker.srcObject = null;
    void this.#hangUp();
  }

  /** Tell the server first: to a connection that is gone it would keep the call for a while. */
  async #hangUp() {
    if (this.callId) {
      await this.#options.api.hangUp(this.callId).catch((error) => {
        console.info("the server was not told of the end; it notices by itself", error);
      });
    }
    this.#release();
  }

  async #place() {
    const peer = this.#peer;
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const offer = peer.localDescription?.sdp ?? "";
    const { answer, callId } = await this.#request(offer);
    this.callId = callId;
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
  }

  /** @param {string} offer */
  async #request(offer) {
    const { api, session, lostCallId } = this.#options;
    if (lostCallId) {
      try {
        const placed = await api.placeCall(offer, session, lostCallId);
        this.isResumed = true;
        return placed;
      } catch (error) {
        if (!(error instanceof CallError) || error.code !== GONE) {
          throw error;
        }
        console.info("the call is not kept any more; placing another one", error);
      }
    }
    return await api.placeCall(offer, session);
  }

  async #opened() {
    if (this.#channel.readyState === "open") {
      return;
    }
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new CallError("errorUnreachable", { detail: "no path for media was found" }));
      }, CONNECT_TIMEOUT_MS);
      this.#channel.onopen = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    await this.#context.resume();
  }

  /** @param {MediaStreamTrack} track */
  #hear(track) {
    const stream = new MediaStream([track]);
    // The element makes the sound; the analyser only looks at it.
    this.#speaker.srcObject = stream;
    this.#speaker.play().catch((error) => console.error("the browser does not play sound", error));
    this.#context.createMediaStreamSource(stream).connect(this.remoteAnalyser);
  }

  /** @param {RealtimeEvent} event */
  #receive(event) {
    if (event.type === "error" && event.error.type === "server_error") {
      this.#endReason = event.error.code ?? "";
    }
    this.#options.onEvent(event);
  }

  #watch() {
    clearTimeout(this.#lostTimer);
    const state = this.#peer.connectionState;
    if (state === "failed" || state === "closed") {
      this.#end(LOST);
    } else if (state === "disconnected") {
      this.#lostTimer = window.setTimeout(() => this.#end(LOST), LOST_AFTER_MS);
    }
  }

  /** @param {number} code */
  #end(code) {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#release();
      this.#options.onEnd({ code, reason: this.#endReason });
    }
  }

  #release() {
    clearTimeout(this.#lostTimer);
    this.#channel.onclose = null;
    this.#peer.close();
    this.#speaker.srcObject = null;
    void this.#context.close();
  }

  /**
   * @param {RTCRtpSender} sender
   * @param {MediaStreamTrack | null} track
   */
  #replace(sender, track) {
    sender.replaceTrack(track).catch((error) => {
      console.error("the track could not be sent", error);
    });
  }
}

/**
 * Wait until the candidates are in the offer: the server takes no later ones.
 * @param {RTCPeerConnection} peer
 */
async function gathered(peer) {
  if (peer.iceGatheringState === "complete") {
    return;
  }
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_TIMEOUT_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") {
        clearTimeout(timer);
        resolve(undefined);
      }
    });
  });
}
