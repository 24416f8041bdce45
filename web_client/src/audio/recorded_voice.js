// A recording of a voice, as the session object takes it.

import { base64FromSamples, samplesFromFloats } from "./pcm.js";
import { CallError } from "../call_errors.js";

const VOICE_HZ = 24_000;
const MAX_VOICE_S = 30;

/**
 * Base64 of 16-bit mono at 24 kHz; what is longer than 30 s is cut.
 * @param {Blob} file Any format the browser can decode.
 */
export async function recordedVoice(file) {
  const context = new OfflineAudioContext(1, 1, VOICE_HZ);
  let audio;
  try {
    audio = await context.decodeAudioData(await file.arrayBuffer());
  } catch (cause) {
    throw new CallError("errorVoiceFile", { cause });
  }
  const n = Math.min(audio.length, MAX_VOICE_S * VOICE_HZ);
  const mono = new Float32Array(n);
  for (let channel = 0; channel < audio.numberOfChannels; channel++) {
    const samples = audio.getChannelData(channel);
    for (let i = 0; i < n; i++) {
      mono[i] += samples[i] / audio.numberOfChannels;
    }
  }
  return base64FromSamples(samplesFromFloats(mono));
}
