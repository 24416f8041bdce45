// Microphone to 16-bit frames at the rate of the wire, on the audio thread.

import { Resampler } from "./resampler.js";

const FRAME_MS = 40;

/** Posts `{ samples: Int16Array, peak: number }`, one frame at a time, in order. */
class CaptureProcessor extends AudioWorkletProcessor {
  /** @param {{ processorOptions: { rateHz: number } }} options */
  constructor({ processorOptions }) {
    super();
    this.resampler = new Resampler(sampleRate, processorOptions.rateHz);
    this.frame = new Int16Array((processorOptions.rateHz * FRAME_MS) / 1000);
    this.filled = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const channels = inputs[0];
    if (channels.length === 0) {
      return true; // the microphone is being changed
    }
    let mono = channels[0];
    if (channels.length > 1) {
      mono = mono.map((value, i) => (value + channels[1][i]) / 2);
    }
    for (const value of this.resampler.push(mono)) {
      this.frame[this.filled++] = Math.max(-0x8000, Math.min(0x7fff, Math.round(value * 0x8000)));
      if (this.filled === this.frame.length) {
        this.port.postMessage(this.frame.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", CaptureProcessor);
