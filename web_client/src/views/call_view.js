// What is shown during a call, and its buttons.

import { CallError } from "../call_errors.js";
import { clockText, element, setText } from "../dom.js";
import { onLanguage, setLabelKey, setTextKey, t } from "../i18n.js";
import { devices } from "../local_media.js";
import { Captions, speaker, words } from "./captions.js";
import { showToggle, showTrack } from "./device_toggles.js";
import { LatencyPanel } from "./latency_panel.js";
import { Orb } from "./orb.js";

/** @typedef {import("../call.js").Call} Call */
/** @typedef {import("../call.js").CallState} CallState */
/** @typedef {import("../i18n.js").TextKey} TextKey */
/** @typedef {import("../local_media.js").LocalMedia} LocalMedia */
/** @typedef {import("../transcript.js").Entry} Entry */
/** @typedef {import("./notices.js").Notices} Notices */

const REFRESH_MS = 500;
/** @type {Record<CallState, TextKey>} */
const STATE_TEXTS = {
  connecting: "stateConnecting",
  listening: "stateListening",
  hearing: "stateHearing",
  thinking: "stateThinking",
  speaking: "stateSpeaking",
  reconnecting: "stateReconnecting",
  ended: "stateEnded",
};
const TRANSPORT_NAMES = { webrtc: "WebRTC", websocket: "WebSocket" };

export class CallView {
  /** @type {Call | null} */
  #call = null;
  #media;
  #notices;
  #timer = 0;
  #isVideo = false;
  #orb = new Orb(element("orb", HTMLCanvasElement));
  #captions = new Captions(
    element("caption-lines", HTMLElement),
    element("captions", HTMLElement),
  );
  #panel = new LatencyPanel();
  #stateText = element("state", HTMLElement);

  /**
   * @param {LocalMedia} media
   * @param {Notices} notices
   */
  constructor(media, notices) {
    this.#media = media;
    this.#notices = notices;
    media.addEventListener("change", () => this.#showMedia());
    this.#bind();
    onLanguage(() => {
      this.#showState();
      this.#call?.transcript.entries.forEach((entry) => this.#captions.show(entry));
    });
  }

  /**
   * @param {Call} call
   * @param {boolean} isVideo
   */
  show(call, isVideo) {
    this.#call = call;
    this.#isVideo = isVideo;
    this.#captions.clear();
    this.#panel.toggle(false);
    this.#showMedia();
    this.#showState();
    this.#refresh();
    this.#orb.start();
    this.#timer = window.setInterval(() => this.#refresh(), REFRESH_MS);
    element("mute", HTMLElement).focus(); // not the text field: a phone would show its keyboard
  }

  hide() {
    clearInterval(this.#timer);
    this.#orb.stop();
    this.#orb.listenTo(null);
    this.#call = null;
  }

  onState() {
    this.#orb.listenTo(this.#call?.analyser ?? null);
    this.#showState();
  }

  /** @param {Entry} entry */
  onEntry(entry) {
    this.#captions.show(entry);
    if (entry.status !== "open") {
      // Whole lines only: a screen reader would read every new word again.
      const line = `${speaker(entry)}: ${words(entry)}`;
      setText(element("caption-announcer", HTMLElement), line);
    }
  }

  #bind() {
    const media = this.#media;
    /** @param {string} id @param {() => void | Promise<void>} act */
    const onClick = (id, act) => {
      element(id, HTMLElement).addEventListener("click", () => void this.#try(act));
    };
    onClick("mute", () => media.setMuted(!media.isMuted));
    onClick("camera-toggle", () => this.#toggleCamera());
    onClick("camera-switch", async () => {
      await media.nextCamera();
    });
    onClick("screen", () => (media.screen === null ? media.openScreen() : media.closeScreen()));
    onClick("reset", () => this.#call?.reset());
    onClick("hang-up", () => this.#call?.hangUp());
    element("text-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const field = element("text", HTMLInputElement);
      const text = field.value.trim();
      if (text && this.#call !== null) {
        this.#call.sendText(text);
        field.value = "";
      }
    });
    document.addEventListener("keydown", (event) => this.#onArrow(event));
  }

  /** Arrow keys go through the toolbar. @param {KeyboardEvent} event */
  #onArrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const bar = element("controls", HTMLElement);
    if (step === undefined || !bar.contains(document.activeElement)) {
      return;
    }
    const buttons = [...bar.querySelectorAll("button")].filter((button) => !button.hidden);
    const at = buttons.findIndex((button) => button === document.activeElement);
    buttons[(at + step + buttons.length) % buttons.length].focus();
    event.preventDefault();
  }

  async #toggleCamera() {
    const media = this.#media;
    if (media.camera === null) {
      await media.chooseCamera("");
    } else {
      media.closeCamera();
    }
  }

  /** @param {() => void | Promise<void>} act */
  async #try(act) {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof CallError)) {
        throw error;
      }
      this.#notices.show(error.key, { isProblem: true });
    }
  }

  #showState() {
    const state = this.#call?.state ?? "connecting";
    this.#orb.state = state;
    const isSilent = state === "listening" && this.#media.isMuted;
    setTextKey(this.#stateText, isSilent ? "stateMuted" : STATE_TEXTS[state]);
    element("call", HTMLElement).setAttribute("data-state", state);
  }

  #showMedia() {
    const { camera, screen, picture, isMuted } = this.#media;
    showToggle(element("mute", HTMLElement), {
      isOff: isMuted,
      icon: "icon-microphone",
      offKey: "mute",
      onKey: "unmute",
    });
    showToggle(element("camera-toggle", HTMLElement), {
      isOff: camera === null,
      icon: "icon-camera",
      offKey: "cameraOff",
      onKey: "cameraOn",
    });
    const share = element("screen", HTMLElement);
    share.setAttribute("aria-pressed", String(screen !== null));
    share.hidden = !this.#isVideo || !navigator.mediaDevices?.getDisplayMedia;
    setLabelKey(share, screen === null ? "screenShare" : "screenStop");
    element("camera-toggle", HTMLElement).hidden = !this.#isVideo;
    element("self", HTMLElement).hidden = picture === null;
    element("self", HTMLElement).classList.toggle("is-screen", screen !== null);
    showTrack(element("self-video", HTMLVideoElement), picture);
    element("self-video", HTMLElement).classList.toggle("mirrored", screen === null);
    const label = screen === null ? "selfCamera" : "selfScreen";
    setTextKey(element("self-label", HTMLElement), label);
    this.#showState();
    void this.#showSwitch();
  }

  /** Switching makes sense with two cameras. */
  async #showSwitch() {
    const cameras = await devices("videoinput");
    const isUseful = this.#isVideo && this.#media.camera !== null && cameras.length > 1;
    element("camera-switch", HTMLElement).hidden = !isUseful;
  }

  #refresh() {
    const call = this.#call;
    if (call === null) {
      return;
    }
    setText(element("timer", HTMLElement), clockText(call.durationMs));
    const { quality } = call.metrics;
    element("quality", HTMLElement).setAttribute("data-quality", quality);
    setText(element("quality-text", HTMLElement), t(`quality_${quality}`));
    const name = call.kind === null ? "–" : TRANSPORT_NAMES[call.kind];
    this.#panel.show(call.metrics.figures, name);
  }
}
