// The other side's presence: a shape that moves with the sound of its voice.

import { LevelMeter } from "../audio/level_meter.js";

/** @typedef {import("../call.js").CallState} CallState */

const LAYERS = [
  { scale: 1.34, alpha: 0.12, speed: 0.23, lobes: 3, sway: 1 },
  { scale: 1.17, alpha: 0.22, speed: -0.31, lobes: 3, sway: 0.8 },
  { scale: 1.0, alpha: 1.0, speed: 0.4, lobes: 4, sway: 0.3 },
];
const POINTS = 96;
const REST_RADIUS = 0.27; // of the canvas
const BREATH_S = 4.2;
const EASE = 0.18;
const RESTING_LEVEL = 0.02; // below it every second picture is enough

/** Draws while it runs; a caller who wants less motion gets a circle that only grows. */
export class Orb {
  /** @type {CanvasRenderingContext2D} */
  #context;
  /** @type {LevelMeter | null} */
  #meter = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #level = 0;
  #frame = 0;
  #nFrames = 0;
  #isCalm = window.matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {CallState} */
  state = "connecting";

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    const context = canvas.getContext("2d");
    if (context === null) {
      throw new Error("this browser draws nothing");
    }
    this.#context = context;
  }

  /** The level that is drawn, 0 to 1. */
  get level() {
    return this.#level;
  }

  /** @param {AnalyserNode | null} analyser */
  listenTo(analyser) {
    if (analyser !== this.#analyser) {
      this.#analyser = analyser;
      this.#meter = analyser === null ? null : new LevelMeter(analyser);
    }
  }

  start() {
    this.stop();
    const draw = (/** @type {number} */ nowMs) => {
      this.#draw(nowMs / 1000);
      this.#frame = requestAnimationFrame(draw);
    };
    this.#frame = requestAnimationFrame(draw);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
  }

  /** @param {number} timeS */
  #draw(timeS) {
    const { canvas } = this;
    const context = this.#context;
    const side = canvas.clientWidth * Math.min(2, window.devicePixelRatio);
    if (side > 0 && Math.abs(canvas.width - side) > 1) {
      canvas.width = canvas.height = Math.round(side);
    }
    const target = this.#meter?.read() ?? 0;
    this.#level += (target - this.#level) * EASE;
    if (this.#level < RESTING_LEVEL && ++this.#nFrames % 2 === 0) {
      return;
    }
    this.canvas.setAttribute("data-level", this.#level.toFixed(2));
    const isWaiting = this.state === "thinking" || this.state === "connecting";
    const style = getComputedStyle(canvas);
    const colours = ["--orb-light", "--orb", "--orb-deep"].map((name) =>
      style.getPropertyValue(name).trim(),
    );
    const isDim = this.state === "reconnecting" || this.state === "ended";
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
    const breath = this.#isCalm.matches ? 0 : Math.sin((2 * Math.PI * timeS) / BREATH_S);
    const radius = canvas.width * REST_RADIUS * (1 + 0.015 * breath + 0.22 * this.#level);
    for (const layer of LAYERS) {
      const motion = this.#isCalm.matches ? 0 : 0.012 + 0.11 * this.#level + (isWaiting ? 0.02 : 0);
      const pace = isWaiting ? 2.4 : 1;
      this.#trace(radius * layer.scale, motion * layer.sway, timeS * layer.speed * pace, layer.lobes);
      context.globalAlpha = layer.alpha * (isDim ? 0.45 : 1);
      context.fillStyle = this.#paint(radius * layer.scale, colours);
      context.fill();
    }
  }

  /**
   * A closed curve around the middle.
   * @param {number} radius
   * @param {number} motion How far it leaves the circle.
   * @param {number} turn
   * @param {number} lobes
   */
  #trace(radius, motion, turn, lobes) {
    const context = this.#context;
    const middle = this.canvas.width / 2;
    context.beginPath();
    for (let point = 0; point < POINTS; point++) {
      const angle = (2 * Math.PI * point) / POINTS;
      const wave =
        Math.sin(lobes * angle + 2 * Math.PI * turn) +
        0.6 * Math.sin((lobes - 2) * angle - 3 * Math.PI * turn);
      const reach = radius * (1 + motion * wave);
      context.lineTo(middle + reach * Math.cos(angle), middle + reach * Math.sin(angle));
    }
    context.closePath();
  }

  /**
   * @param {number} radius
   * @param {string[]} colours
   */
  #paint(radius, colours) {
    const middle = this.canvas.width / 2;
    const paint = this.#context.createRadialGradient(
      middle - radius * 0.35,
      middle - radius * 0.4,
      0,
      middle,
      middle,
      radius * 1.15,
    );
    colours.forEach((colour, i) => paint.addColorStop(i / (colours.length - 1), colour));
    return paint;
  }
}
