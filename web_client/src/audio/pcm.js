// 16-bit PCM in base64, as the dialect carries it.

const BYTES_AT_ONCE = 0x8000; // a call takes only so many arguments

/**
 * @param {Int16Array} samples
 * @returns {string}
 */
export function base64FromSamples(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += BYTES_AT_ONCE) {
    text += String.fromCharCode(...bytes.subarray(at, at + BYTES_AT_ONCE));
  }
  return btoa(text);
}

/**
 * Samples between -1 and 1.
 * @param {string} text
 * @returns {Float32Array<ArrayBuffer>}
 */
export function floatsFromBase64(text) {
  const characters = atob(text);
  const samples = new Float32Array(characters.length >> 1);
  for (let i = 0; i < samples.length; i++) {
    const word = characters.charCodeAt(2 * i) | (characters.charCodeAt(2 * i + 1) << 8);
    samples[i] = ((word << 16) >> 16) / 0x8000;
  }
  return samples;
}

/**
 * @param {Float32Array} floats
 * @returns {Int16Array<ArrayBuffer>}
 */
export function samplesFromFloats(floats) {
  const samples = new Int16Array(floats.length);
  for (let i = 0; i < floats.length; i++) {
    samples[i] = Math.max(-0x8000, Math.min(0x7fff, Math.round(floats[i] * 0x8000)));
  }
  return samples;
}
