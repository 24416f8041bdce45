// What every transport of a call offers, and the choice among them.

import { CallError } from "../call_errors.js";
import { WebRtcTransport } from "./webrtc.js";
import { WebSocketTransport } from "./websocket.js";

/** @typedef {import("../server_api.js").ServerApi} ServerApi */
/** @typedef {import("../session_patch.js").SessionPatch} SessionPatch */
/** @typedef {Record<string, any> & { type: string }} RealtimeEvent */
/**
 * How a transport ended by itself.
 * @typedef {object} TransportEnd
 * @property {number} code A WebSocket close code, or its like.
 * @property {string} reason The server's word for it, such as `idle_timeout`.
 */
/**
 * @typedef {object} TransportStats
 * @property {number | null} rttMs
 * @property {number | null} jitterMs
 * @property {number | null} lossPercent Audio lost on its way here.
 * @property {number} gaps Times the speaker ran dry within an answer.
 * @property {number} droppedMs Microphone audio dropped because the line was too slow.
 */
/**
 * @typedef {object} TransportOptions
 * @property {ServerApi} api
 * @property {SessionPatch} session
 * @property {boolean} isHd
 * @property {boolean} interrupts Speaking stops the answer.
 * @property {string} lostCallId A call to go on with; empty for a new one.
 * @property {(event: RealtimeEvent) => void} onEvent Takes every event but the audio itself, and
 *   `output_audio_buffer.*`, which also a WebSocket call has here.
 * @property {(end: TransportEnd) => void} onEnd Called once, unless `close` was called.
 */
/**
 * @typedef {object} Transport
 * @property {"webrtc" | "websocket"} kind
 * @property {string} callId What the server calls this call; empty until it said so.
 * @property {boolean} isResumed The lost call goes on: the model remembers it.
 * @property {AnalyserNode} remoteAnalyser Hears what the caller hears.
 * @property {(event: RealtimeEvent) => void} send
 * @property {(track: MediaStreamTrack | null) => void} setMicrophone
 * @property {(track: MediaStreamTrack | null) => void} setPicture
 * @property {() => void} stopSpeech Be silent now; the model remembers what was heard.
 * @property {(audioMs: number) => number | null} wallTimeOf When the microphone heard what is at
 *   this place of the session's audio, in `performance.now()` time; null when not known.
 * @property {() => Promise<TransportStats>} stats
 * @property {() => void} close
 */

/**
 * Connect, over WebSocket where WebRTC does not work.
 * @param {"auto" | "webrtc" | "websocket"} wish
 * @param {TransportOptions} options
 * @returns {Promise<{ transport: Transport, fellBack: boolean }>}
 * @throws {CallError}
 */
export async function connect(wish, options) {
  let fellBack = false;
  if (wish !== "websocket") {
    try {
      return { transport: await WebRtcTransport.connect(options), fellBack };
    } catch (error) {
      if (wish === "webrtc" || (error instanceof CallError && error.isFinal)) {
        throw error;
      }
      console.info("WebRTC does not work here; using a WebSocket", error);
      fellBack = true;
    }
  }
  return { transport: await WebSocketTransport.connect(options), fellBack };
}
