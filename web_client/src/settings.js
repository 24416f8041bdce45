// What the caller chose in the lobby; kept in this browser, never sent anywhere but into the call.

/**
 * @typedef {object} CallSettings
 * @property {"video" | "voice"} mode
 * @property {string} microphoneId Empty: the browser's default.
 * @property {string} cameraId
 * @property {string} voice
 * @property {string} instructions Empty: the model's own.
 * @property {boolean} hd Look closely at the last picture before an answer.
 * @property {number} patienceMs Silence that ends the caller's turn.
 * @property {boolean} interruption Speaking stops the answer.
 * @property {"auto" | "webrtc" | "websocket"} transport
 */

const KEY = "omnicall.settings";
export const MIN_PATIENCE_MS = 200;
export const MAX_PATIENCE_MS = 2000;

/** @type {Readonly<CallSettings>} */
export const DEFAULT_SETTINGS = Object.freeze({
  mode: "video",
  microphoneId: "",
  cameraId: "",
  voice: "default",
  instructions: "",
  hd: false,
  patienceMs: 500,
  interruption: true,
  transport: "auto",
});

/**
 * Settings out of anything: fields that make no sense keep their default.
 * @param {unknown} stored
 * @returns {CallSettings}
 */
export function settingsFrom(stored) {
  const given = /** @type {Record<string, unknown>} */ (
    typeof stored === "object" && stored !== null ? stored : {}
  );
  const settings = /** @type {Record<string, unknown>} */ ({ ...DEFAULT_SETTINGS });
  for (const [name, value] of Object.entries(DEFAULT_SETTINGS)) {
    if (typeof given[name] === typeof value) {
      settings[name] = given[name];
    }
  }
  const result = /** @type {CallSettings} */ (/** @type {unknown} */ (settings));
  if (result.mode !== "voice") {
    result.mode = "video";
  }
  if (result.transport !== "webrtc" && result.transport !== "websocket") {
    result.transport = "auto";
  }
  const patience = Number.isFinite(result.patienceMs) ? result.patienceMs : 500;
  result.patienceMs = Math.min(MAX_PATIENCE_MS, Math.max(MIN_PATIENCE_MS, patience));
  return result;
}

/** @returns {CallSettings} */
export function loadSettings() {
  try {
    return settingsFrom(JSON.parse(localStorage.getItem(KEY) ?? "{}"));
  } catch (error) {
    console.info("the stored settings cannot be read; beginning with defaults", error);
    return { ...DEFAULT_SETTINGS };
  }
}

/** @param {CallSettings} settings */
export function saveSettings(settings) {
  localStorage.setItem(KEY, JSON.stringify(settings));
}
