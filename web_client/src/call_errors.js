// What can go wrong with a call, by name; each has a text in both languages.

/** @typedef {import("./i18n.js").TextKey} TextKey */

export class CallError extends Error {
  /**
   * @param {TextKey} key The text that says what happened and what to do.
   * @param {object} [options]
   * @param {unknown} [options.cause]
   * @param {boolean} [options.isFinal] Trying again, or another way, cannot help.
   * @param {string} [options.detail] What the server said.
   * @param {string} [options.code] The server's name for it.
   */
  constructor(key, { cause, isFinal = false, detail = "", code = "" } = {}) {
    super(`${key}${detail ? `: ${detail}` : ""}`, { cause });
    this.name = "CallError";
    this.key = key;
    this.isFinal = isFinal;
    this.detail = detail;
    this.code = code;
  }
}

/** @type {Record<string, TextKey>} */
const SERVER_CODES = {
  server_full: "errorServerFull",
  server_draining: "errorServerStopping",
  engine_unavailable: "errorModelLoading",
  engine_busy: "errorServerFull",
  invalid_api_key: "errorKey",
  model_not_found: "errorRefused",
};
const FINAL_CODES = new Set(["invalid_api_key", "server_full", "engine_busy"]);

/**
 * The error for a refusal of the server.
 * @param {string} code
 * @param {string} message
 */
export function refusal(code, message) {
  return new CallError(SERVER_CODES[code] ?? "errorRefused", {
    detail: message,
    code,
    isFinal: FINAL_CODES.has(code),
  });
}

/**
 * The error for what the browser said about a device.
 * @param {unknown} error
 * @param {"microphone" | "camera" | "screen"} device
 */
export function deviceError(error, device) {
  const name = error instanceof DOMException ? error.name : "";
  const options = { cause: error, isFinal: true };
  if (device === "screen") {
    return new CallError("noticeScreenDenied", options); // most often: the choice was cancelled
  }
  if (name === "NotAllowedError" || name === "SecurityError") {
    return new CallError("errorPermission", options);
  }
  if (name === "NotFoundError") {
    return new CallError(device === "camera" ? "noticeNoCamera" : "errorNoMicrophone", options);
  }
  if (name === "OverconstrainedError") {
    return new CallError(device === "camera" ? "noticeCameraGone" : "noticeMicrophoneGone", options);
  }
  return new CallError(device === "camera" ? "noticeCameraBusy" : "errorMicrophoneBusy", options);
}
