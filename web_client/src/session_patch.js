// From the caller's settings to the session object of the dialect.

/** @typedef {import("./settings.js").CallSettings} CallSettings */
/** @typedef {import("./i18n.js").Language} Language */
/** @typedef {Record<string, unknown>} SessionPatch */

export const INPUT_HZ = 16_000; // the model's own rate
export const OUTPUT_HZ = 24_000;

/**
 * @param {CallSettings} settings
 * @param {Language} language
 * @param {string | null} recordedVoice Base64 of a voice to take on, 16-bit mono at 24 kHz.
 * @returns {SessionPatch}
 */
export function sessionPatch(settings, language, recordedVoice) {
  const voice =
    settings.voice === "recording" && recordedVoice !== null
      ? { reference_audio: recordedVoice }
      : settings.voice === "recording"
        ? "default"
        : settings.voice;
  return {
    type: "realtime",
    mode: settings.mode === "video" ? "omni" : "audio",
    language,
    hd: settings.hd,
    output_modalities: ["audio"],
    ...(settings.instructions.trim() ? { instructions: settings.instructions.trim() } : {}),
    audio: {
      input: {
        turn_detection: {
          type: "server_vad",
          silence_duration_ms: settings.patienceMs,
          create_response: true,
          interrupt_response: settings.interruption,
        },
        transcription: {},
      },
      output: { voice },
    },
    extensions: ["response.timings", "unit.prefilled"],
  };
}

/**
 * The patch with the formats a WebSocket carries; over WebRTC the connection decides.
 * @param {SessionPatch} patch
 * @returns {SessionPatch}
 */
export function withPcmFormats(patch) {
  const audio = /** @type {{ input: object, output: object }} */ (patch.audio);
  return {
    ...patch,
    audio: {
      input: { ...audio.input, format: { type: "audio/pcm", rate: INPUT_HZ } },
      output: { ...audio.output, format: { type: "audio/pcm", rate: OUTPUT_HZ } },
    },
  };
}
