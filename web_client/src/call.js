// One call: keeps a transport connected, follows what is said, and says what state it is in.

import { CallError } from "./call_errors.js";
import { CallMetrics } from "./call_metrics.js";
import { Transcript } from "./transcript.js";
import { connect } from "./transports/transport.js";

/** @typedef {import("./i18n.js").TextKey} TextKey */
/** @typedef {import("./local_media.js").LocalMedia} LocalMedia */
/** @typedef {import("./server_api.js").ServerApi} ServerApi */
/** @typedef {import("./session_patch.js").SessionPatch} SessionPatch */
/** @typedef {import("./settings.js").CallSettings} CallSettings */
/** @typedef {import("./transcript.js").Entry} Entry */
/** @typedef {import("./transports/transport.js").RealtimeEvent} RealtimeEvent */
/** @typedef {import("./transports/transport.js").Transport} Transport */
/** @typedef {import("./transports/transport.js").TransportEnd} TransportEnd */
/**
 * @typedef {"connecting" | "listening" | "hearing" | "thinking" | "speaking" | "reconnecting"
 *   | "ended"} CallState
 */
/**
 * @typedef {object} CallOptions
 * @property {ServerApi} api
 * @property {LocalMedia} media
 * @property {CallSettings} settings
 * @property {SessionPatch} session
 * @property {(state: CallState) => void} onState
 * @property {(entry: Entry) => void} onEntry Takes entries that are new or changed.
 * @property {(key: TextKey, isProblem: boolean) => void} onNotice
 * @property {(reason: TextKey | null) => void} onEnd Called once; null: the caller hung up.
 * @property {(key: TextKey) => string} text Words for the transcript's notes.
 */

const STATS_INTERVAL_MS = 2000;
const RETRY_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 8000, 8000];

/** Server ends after which calling again makes no sense. @type {Record<string, TextKey>} */
const FINAL_REASONS = {
  idle_timeout: "endIdle",
  deleted: "endDeleted",
  closed: "endDeleted",
};

export class Call {
  transcript = new Transcript();
  metrics = new CallMetrics();
  /** @type {CallState} */
  state = "connecting";
  /** What the server calls this call; the newest, when it was placed again. */
  callId = "";
  sessionId = "";
  /** @type {CallOptions} */
  #options;
  /** @type {Transport | null} */
  #transport = null;
  #statsTimer = 0;
  #beganMs = 0;
  #endedMs = 0;
  #isHungUp = false;
  #isAnswering = false;
  #isHeard = false;
  #nTyped = 0;
  #wasEngineLost = false;

  /** @param {CallOptions} options */
  constructor(options) {
    this.#options = options;
    options.media.addEventListener("change", this.#onMedia);
  }

  get kind() {
    return this.#transport?.kind ?? null;
  }

  get analyser() {
    return this.#transport?.remoteAnalyser ?? null;
  }

  /** Since the call was connected. */
  get durationMs() {
    const untilMs = this.#endedMs || performance.now();
    return this.#beganMs === 0 ? 0 : untilMs - this.#beganMs;
  }

  /**
   * Place the call.
   * @throws {CallError} It cannot be placed; the call is over.
   */
  async start() {
    try {
      await this.#connect();
    } catch (error) {
      this.#finish();
      throw await this.#explained(error);
    }
    this.#beganMs = performance.now();
    this.#statsTimer = window.setInterval(() => void this.#observe(), STATS_INTERVAL_MS);
    void this.#observe();
  }

  /** @param {string} text */
  sendText(text) {
    this.stopSpeech();
    const id = `item_typed_${Date.now().toString(36)}_${++this.#nTyped}`;
    this.#transport?.send({
      type: "conversation.item.create",
      item: { id, type: "message", role: "user", content: [{ type: "input_text", text }] },
    });
    this.#transport?.send({ type: "response.create" });
    this.#options.onEntry(this.transcript.addTyped(id, text, this.durationMs));
    this.#setState("thinking");
  }

  /** Make the other side be silent. */
  stopSpeech() {
    if (this.#isAnswering) {
      this.#transport?.send({ type: "response.cancel" });
    }
    if (this.#isHeard) {
      this.#transport?.stopSpeech();
    }
  }

  /** Make the model forget what was said; the call goes on. */
  async reset() {
    this.#transport?.stopSpeech();
    try {
      await this.#options.api.reset(this.sessionId);
    } catch (cause) {
      throw new CallError("errorReset", { cause });
    }
    this.#note("noteReset");
    this.#setState("listening");
  }

  hangUp() {
    if (this.state !== "ended") {
      this.#isHungUp = true;
      this.#end(null);
    }
  }

  #onMedia = () => {
    this.#transport?.setMicrophone(this.#options.media.microphone);
    this.#transport?.setPicture(this.#options.media.picture);
  };

  /** @param {string} [lostCallId] A call to go on with. @returns {Promise<boolean>} It does. */
  async #connect(lostCallId = "") {
    const { api, settings, session } = this.#options;
    const { transport, fellBack } = await connect(settings.transport, {
      api,
      session,
      isHd: settings.hd,
      interrupts: settings.interruption,
      lostCallId,
      onEvent: (event) => this.#receive(event),
      onEnd: (end) => void this.#lost(end),
    });
    if (this.#isHungUp) {
      transport.close();
      return false;
    }
    this.#transport = transport;
    this.callId = transport.callId;
    this.sessionId ||= transport.callId;
    this.#onMedia();
    if (!transport.isResumed) {
      this.#forgetAnswer();
    }
    this.#setState(this.#isHeard ? "speaking" : "listening");
    if (fellBack) {
      this.#options.onNotice("noticeFellBack", false);
    }
    return transport.isResumed;
  }

  /** What was open in a session that is gone stays as it is. */
  #forgetAnswer() {
    this.#isAnswering = this.#isHeard = false;
    for (const entry of this.transcript.closeOpenEntries()) {
      this.#options.onEntry(entry);
    }
  }

  /** @param {RealtimeEvent} event */
  #receive(event) {
    const { settings, onEntry } = this.#options;
    const nowMs = performance.now();
    const wallTimeOf = (/** @type {number} */ ms) => this.#transport?.wallTimeOf(ms) ?? null;
    this.metrics.apply(event, nowMs, wallTimeOf, settings.patienceMs);
    const changed = this.transcript.apply(event, this.durationMs);
    if (changed !== null) {
      onEntry(changed);
    }
    switch (event.type) {
      case "session.created":
      case "session.updated":
        this.sessionId = event.session.id ?? this.sessionId;
        break;
      case "input_audio_buffer.speech_started":
        if (!this.#isHeard || settings.interruption) {
          this.#setState("hearing");
        }
        break;
      case "input_audio_buffer.speech_stopped":
        if (this.state === "hearing") {
          this.#setState("thinking");
        }
        break;
      case "response.created":
        this.#isAnswering = true;
        break;
      case "output_audio_buffer.started":
        this.#isHeard = true;
        this.#setState("speaking");
        break;
      case "output_audio_buffer.stopped":
      case "output_audio_buffer.cleared":
        this.#isHeard = false;
        this.#settle();
        break;
      case "response.done":
        this.#isAnswering = false;
        this.#onResponseDone(event.response);
        break;
      case "error":
        this.#onError(event.error);
        break;
    }
  }

  /** @param {{ status: string }} response */
  #onResponseDone({ status }) {
    if (status === "failed") {
      this.#options.onNotice("noticeAnswerFailed", true);
    }
    if (status !== "completed" || !this.#isHeard) {
      this.#settle();
    }
  }

  /** The answer is over, unless the caller speaks already. */
  #settle() {
    if (!this.#isHeard && this.state !== "hearing") {
      this.#setState(this.#isAnswering ? "thinking" : "listening");
    }
  }

  /** @param {{ code?: string, message: string }} error */
  #onError({ code, message }) {
    if (code === "engine_failed" || code === "engine_unavailable") {
      this.#wasEngineLost = true;
    } else if (code !== "response_cancel_not_active") {
      console.info(`the server said: ${code}: ${message}`);
    }
  }

  /** @param {TransportEnd} end */
  async #lost({ reason }) {
    const kind = this.kind;
    this.#transport = null;
    const final = FINAL_REASONS[reason];
    if (final !== undefined) {
      this.#end(final);
      return;
    }
    const isEngine = this.#wasEngineLost || reason === "engine_failed";
    this.#wasEngineLost = false;
    this.#setState("reconnecting");
    this.#options.onNotice(isEngine ? "noticeEngineRestart" : "noticeLost", true);
    // A WebSocket's session ends with it; a WebRTC call is kept for a while.
    const lostCallId = kind === "webrtc" && !isEngine ? this.callId : "";
    await this.#reconnect(isEngine ? "noticeEngineBack" : "noticeBack", lostCallId);
  }

  /**
   * @param {TextKey} success
   * @param {string} lostCallId
   */
  async #reconnect(success, lostCallId) {
    for (const delayMs of RETRY_DELAYS_MS) {
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (this.#isHungUp) {
        return;
      }
      let isResumed;
      try {
        isResumed = await this.#connect(lostCallId);
      } catch (error) {
        console.info("not connected yet", error);
        if (error instanceof CallError && error.key === "errorKey") {
          break;
        }
        continue;
      }
      if (this.#isHungUp) {
        return;
      }
      this.#options.onNotice(isResumed ? "noticeResumed" : success, false);
      if (!isResumed) {
        this.#note("noteAnew");
      }
      return;
    }
    this.#end("endLost");
  }

  /** @param {TextKey} key */
  #note(key) {
    this.#options.onEntry(this.transcript.addNote(this.#options.text(key), this.durationMs));
  }

  /** @param {TextKey | null} reason */
  #end(reason) {
    this.#finish();
    this.#options.onEnd(reason);
  }

  #finish() {
    clearInterval(this.#statsTimer);
    this.#options.media.removeEventListener("change", this.#onMedia);
    this.#endedMs = performance.now();
    this.#transport?.close();
    this.#transport = null;
    this.transcript.closeOpenEntries();
    this.#setState("ended");
  }

  async #observe() {
    const stats = await this.#transport?.stats();
    if (stats !== undefined) {
      this.metrics.observe(stats);
    }
  }

  /**
   * Why a call could not be placed: the browser hides the server's answer to a WebSocket, the
   * readiness tells it.
   * @param {unknown} error
   * @returns {Promise<CallError>}
   */
  async #explained(error) {
    if (!(error instanceof CallError)) {
      return new CallError("errorRefused", { cause: error, detail: String(error) });
    }
    if (error.key !== "errorUnreachable") {
      return error;
    }
    try {
      const { ready, sessions_open: open, sessions_limit: limit } = await this.#options.api.ready();
      if (!ready) {
        return new CallError("errorModelLoading");
      }
      return open >= limit ? new CallError("errorServerFull") : error;
    } catch {
      return error;
    }
  }

  /** @param {CallState} state */
  #setState(state) {
    if (this.state !== state && this.state !== "ended") {
      this.state = state;
      this.#options.onState(state);
    }
  }
}
