// A call over one WebSocket: audio as base64 PCM, pictures as JPEG, both inside events.

import { Capture } from "../audio/capture.js";
import { base64FromSamples, floatsFromBase64 } from "../audio/pcm.js";
import { Playout } from "../audio/playout.js";
import { CallError, refusal } from "../call_errors.js";
import { INPUT_HZ, OUTPUT_HZ, withPcmFormats } from "../session_patch.js";
import { VideoFrames } from "../video_frames.js";

/** @typedef {import("./transport.js").RealtimeEvent} RealtimeEvent */
/** @typedef {import("./transport.js").Transport} Transport */
/** @typedef {import("./transport.js").TransportOptions} TransportOptions */
/** @typedef {import("./transport.js").TransportStats} TransportStats */
/** @typedef {{ endMs: number, atMs: number }} SentFrame */

const OPEN_TIMEOUT_MS = 15_000;
const MAX_UNSENT_BYTES = 96_000; // about two seconds of microphone
const REMEMBERED_FRAMES = 1500; // a minute
const NORMAL_CLOSE = 1000;

/** @implements {Transport} */
export class WebSocketTransport {
  /** @readonly */
  kind = "websocket";
  /** @readonly */
  isResumed = false;
  callId = "";
  /** @type {WebSocket} */
  #socket;
  /** @type {TransportOptions} */
  #options;
  /** @type {Playout} */
  #playout;
  /** @type {Capture} */
  #capture;
  /** @type {VideoFrames} */
  #frames;
  /** @type {Map<string, string>} Response of each item that is heard or waits to be. */
  #playing = new Map();
  /** @type {Map<string, number>} Speech received of each item, in ms. */
  #receivedMs = new Map();
  /** @type {Set<string>} Items that were stopped: what still comes of them is not played. */
  #stopped = new Set();
  /** @type {SentFrame[]} */
  #sent = [];
  #sentMs = 0;
  #gaps = 0;
  #droppedMs = 0;
  #isReady = false;

  /**
   * @param {WebSocket} socket
   * @param {TransportOptions} options
   * @param {Playout} playout
   * @param {Capture} capture
   */
  constructor(socket, options, playout, capture) {
    this.#socket = socket;
    this.#options = options;
    this.#playout = playout;
    this.#capture = capture;
    this.#frames = new VideoFrames(options.isHd, (picture) => {
      if (this.#isReady && socket.bufferedAmount < MAX_UNSENT_BYTES) {
        this.send({ type: "input_image_buffer.append", image: picture });
      }
    });
  }

  /**
   * @param {TransportOptions} options
   * @returns {Promise<WebSocketTransport>}
   */
  static async connect(options) {
    /** @type {WebSocketTransport | null} */
    let transport = null;
    const opened = await Promise.all([
      Playout.open(OUTPUT_HZ, (report) => transport?.onPlayout(report)),
      Capture.open(INPUT_HZ, (samples) => transport?.sendAudio(samples)),
    ]);
    const [playout, capture] = opened;
    try {
      const socket = openSocket(options.api.secret);
      transport = new WebSocketTransport(socket, options, playout, capture);
      await transport.#begin();
      return transport;
    } catch (error) {
      transport?.close();
      playout.close();
      capture.close();
      throw error;
    }
  }

  get remoteAnalyser() {
    return this.#playout.analyser;
  }

  /** @param {RealtimeEvent} event */
  send(event) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(event));
    }
  }

  /** @param {MediaStreamTrack | null} track */
  setMicrophone(track) {
    this.#capture.listenTo(track);
  }

  /** @param {MediaStreamTrack | null} track */
  setPicture(track) {
    this.#frames.watch(track);
  }

  stopSpeech() {
    void this.#stopSpeech();
  }

  /** @param {number} audioMs */
  wallTimeOf(audioMs) {
    const frame = this.#sent.find(({ endMs }) => endMs >= audioMs);
    return frame === undefined ? null : frame.atMs - (frame.endMs - audioMs);
  }

  /** @returns {Promise<TransportStats>} */
  async stats() {
    return {
      rttMs: await this.#options.api.measureRttMs().catch(() => null),
      jitterMs: null,
      lossPercent: null,
      gaps: this.#gaps,
      droppedMs: this.#droppedMs,
    };
  }

  close() {
    this.#isReady = false;
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close(NORMAL_CLOSE);
    this.#release();
  }

  /**
   * A frame of the microphone; dropped when the line cannot take it.
   * @param {Int16Array} samples
   */
  sendAudio(samples) {
    if (!this.#isReady) {
      return;
    }
    const frameMs = (1000 * samples.length) / INPUT_HZ;
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) {
      this.#droppedMs += frameMs;
      return;
    }
    this.#sentMs += frameMs;
    this.#sent.push({ endMs: this.#sentMs, atMs: performance.now() });
    if (this.#sent.length > REMEMBERED_FRAMES) {
      this.#sent.shift();
    }
    this.send({ type: "input_audio_buffer.append", audio: base64FromSamples(samples) });
  }

  /** @param {{ kind: string, id: string, played: number }} report */
  onPlayout({ kind, id }) {
    const responseId = this.#playing.get(id) ?? "";
    if (kind === "started") {
      this.#options.onEvent({ type: "output_audio_buffer.started", response_id: responseId });
    } else if (kind === "starved") {
      this.#gaps += 1;
    } else if (kind === "finished") {
      this.#playing.delete(id);
      this.#options.onEvent({ type: "output_audio_buffer.stopped", response_id: responseId });
    } else if (kind === "overflow") {
      console.error("more speech came than can wait to be played; the rest of it is lost");
    }
  }

  /** Wait until the session is as wished. */
  async #begin() {
    const socket = this.#socket;
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new CallError("errorUnreachable"));
      }, OPEN_TIMEOUT_MS);
      /** @param {(value?: any) => void} settle @param {unknown} [value] */
      const end = (settle, value) => {
        clearTimeout(timer);
        settle(value);
      };
      socket.onclose = ({ code, reason }) => {
        // The browser keeps to itself why a request was refused before the upgrade.
        end(reject, code === 1006 ? new CallError("errorUnreachable") : refusal(reason, reason));
      };
      socket.onmessage = ({ data }) => {
        const event = JSON.parse(data);
        if (event.type === "session.created") {
          this.callId = event.session.id;
          const session = withPcmFormats(this.#options.session);
          this.send({ type: "session.update", session });
        } else if (event.type === "session.updated") {
          this.#options.onEvent(event);
          end(resolve);
        } else if (event.type === "error") {
          end(reject, refusal(event.error.code ?? "", event.error.message));
        }
      };
    });
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      this.#isReady = false;
      this.#release();
      this.#options.onEnd({ code, reason });
    };
    this.#isReady = true;
  }

  /** @param {RealtimeEvent} event */
  #receive(event) {
    if (event.type === "response.output_audio.delta") {
      this.#play(event.response_id, event.item_id, event.delta);
      return;
    }
    if (event.type === "response.output_audio.done" && this.#playing.has(event.item_id)) {
      this.#playout.complete(event.item_id);
    }
    if (event.type === "input_audio_buffer.speech_started" && this.#options.interrupts) {
      void this.#stopSpeech();
    }
    this.#options.onEvent(event);
  }

  /**
   * @param {string} responseId
   * @param {string} itemId
   * @param {string} audio
   */
  #play(responseId, itemId, audio) {
    if (this.#stopped.has(itemId)) {
      return;
    }
    const samples = floatsFromBase64(audio);
    const receivedMs = (this.#receivedMs.get(itemId) ?? 0) + (1000 * samples.length) / OUTPUT_HZ;
    this.#receivedMs.set(itemId, receivedMs);
    this.#playing.set(itemId, responseId);
    this.#playout.push(itemId, samples);
  }

  /** Stop what is played and tell the server how much of it was heard. */
  async #stopSpeech() {
    const stopped = [...this.#playing];
    if (stopped.length === 0) {
      return;
    }
    for (const [itemId] of stopped) {
      this.#stopped.add(itemId);
    }
    this.#playing.clear();
    const { id, heardMs } = await this.#playout.clear();
    for (const [itemId, responseId] of stopped) {
      const receivedMs = Math.floor(this.#receivedMs.get(itemId) ?? 0);
      this.send({
        type: "conversation.item.truncate",
        item_id: itemId,
        content_index: 0,
        audio_end_ms: itemId === id ? Math.min(heardMs, receivedMs) : 0,
      });
      this.#options.onEvent({ type: "output_audio_buffer.cleared", response_id: responseId });
    }
  }

  #release() {
    this.#frames.close();
    this.#capture.close();
    this.#playout.close();
  }
}

/** @param {string} secret */
function openSocket(secret) {
  const url = new URL("v1/realtime", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const protocols = ["realtime"];
  if (secret) {
    protocols.push(`openai-insecure-api-key.${secret}`);
  }
  return new WebSocket(url, protocols);
}
