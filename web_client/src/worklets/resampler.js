// Streaming band-limited resampling by a ratio of whole numbers.

const ZERO_CROSSINGS = 16; // of the windowed sinc, on each side
const ROLL_OFF = 0.92; // where the pass band ends, of the lower rate's half

/** @param {number} a @param {number} b @returns {number} */
function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Keeps what later samples need: any cut of the input gives the same output.
 */
export class Resampler {
  /**
   * @param {number} fromHz
   * @param {number} toHz
   */
  constructor(fromHz, toHz) {
    const divisor = greatestCommonDivisor(fromHz, toHz);
    this.up = toHz / divisor;
    this.down = fromHz / divisor;
    const cutoff = ROLL_OFF * Math.min(1, this.up / this.down);
    this.nTaps = 2 * Math.ceil(ZERO_CROSSINGS / cutoff);
    /** One filter per position between two input samples. */
    this.filters = Array.from({ length: this.up }, (_, phase) => this.#filter(phase, cutoff));
    /** Input not used up yet, after as much silence as the filter looks back. */
    this.history = new Float32Array(this.nTaps / 2);
    this.phase = 0;
  }

  /**
   * @param {Float32Array} input
   * @returns {Float32Array} As much as the input so far determines.
   */
  push(input) {
    const samples = new Float32Array(this.history.length + input.length);
    samples.set(this.history);
    samples.set(input, this.history.length);
    const output = [];
    let at = 0;
    while (at + this.nTaps <= samples.length) {
      const filter = this.filters[this.phase];
      let sum = 0;
      for (let tap = 0; tap < this.nTaps; tap++) {
        sum += filter[tap] * samples[at + tap];
      }
      output.push(sum);
      this.phase += this.down;
      at += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.history = samples.slice(at);
    return Float32Array.from(output);
  }

  /**
   * A Blackman-windowed sinc, centred between the taps of one phase.
   * @param {number} phase
   * @param {number} cutoff Of the input's half rate.
   */
  #filter(phase, cutoff) {
    const half = this.nTaps / 2;
    const filter = new Float32Array(this.nTaps);
    let sum = 0;
    for (let tap = 0; tap < this.nTaps; tap++) {
      const distance = tap - half - phase / this.up + 1e-12;
      const place = distance / half;
      const window =
        Math.abs(place) >= 1
          ? 0
          : 0.42 + 0.5 * Math.cos(Math.PI * place) + 0.08 * Math.cos(2 * Math.PI * place);
      const angle = Math.PI * cutoff * distance;
      filter[tap] = (Math.sin(angle) / angle) * window;
      sum += filter[tap];
    }
    return filter.map((value) => value / sum);
  }
}
