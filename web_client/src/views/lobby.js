// The lobby: who is calling, with which devices, and how.

import { MicrophoneLevel } from "../audio/level_meter.js";
import { recordedVoice } from "../audio/recorded_voice.js";
import { CallError } from "../call_errors.js";
import { element, setText } from "../dom.js";
import { onLanguage, setTextKey, t } from "../i18n.js";
import { devices, isAllowedAlready } from "../local_media.js";
import { loadSettings, saveSettings } from "../settings.js";
import { showToggle, showTrack } from "./device_toggles.js";

/** @typedef {import("../local_media.js").LocalMedia} LocalMedia */
/** @typedef {import("../server_api.js").ServerFacts} ServerFacts */
/** @typedef {import("../settings.js").CallSettings} CallSettings */
/** @typedef {import("./notices.js").Notices} Notices */

const BARS = 10;
const SPOKEN_LEVEL_STEP = 10; // a screen reader is not told every flicker

export class Lobby {
  settings = loadSettings();
  /** @type {string | null} */
  recordedVoice = null;
  #media;
  #notices;
  #level = new MicrophoneLevel();
  #isShown = false;
  #wantsCamera = true;
  /** @type {string[]} */
  #voices = ["default"];
  #form = element("lobby-form", HTMLFormElement);
  #microphones = element("microphone-choice", HTMLSelectElement);
  #cameras = element("camera-choice", HTMLSelectElement);
  #voiceChoice = element("voice-choice", HTMLSelectElement);
  #key = element("access-key", HTMLInputElement);
  #meter = element("level", HTMLElement);

  /**
   * @param {LocalMedia} media
   * @param {Notices} notices
   * @param {() => void} onPlace
   */
  constructor(media, notices, onPlace) {
    this.#media = media;
    this.#notices = notices;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      onPlace();
    });
    this.#showSettings();
    this.#bindSettings();
    this.#bindDevices();
    onLanguage(() => {
      void this.#listDevices();
      this.#listVoices();
      this.#showPatience();
    });
    media.addEventListener("change", () => this.#showMedia());
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.#listDevices());
  }

  get accessKey() {
    return this.#key.value;
  }

  /** What the call asks of the devices. */
  get wish() {
    const { mode, microphoneId, cameraId } = this.settings;
    return { camera: mode === "video" && this.#wantsCamera, microphoneId, cameraId };
  }

  /** Show it; devices that need no question are opened at once. */
  async show() {
    this.#isShown = true;
    this.setBusy(false);
    this.#wantsCamera = true;
    this.#showMedia();
    this.#showLevel();
    await this.#listDevices();
    if (this.#media.microphone !== null || (await isAllowedAlready())) {
      await this.openDevices();
    }
  }

  hide() {
    this.#isShown = false;
    this.#level.listenTo(null);
  }

  /** @param {boolean} isBusy A call is being placed. */
  setBusy(isBusy) {
    element("place", HTMLButtonElement).disabled = isBusy;
    setTextKey(element("place-text", HTMLElement), isBusy ? "placing" : "place");
  }

  /** @param {ServerFacts} facts @param {boolean} isSignedIn */
  showFacts(facts, isSignedIn) {
    element("untrained", HTMLElement).hidden = facts.trained;
    this.showKeyField(facts.keyNeeded && !isSignedIn);
    this.#voices = facts.voices;
    this.#listVoices();
  }

  /** @param {boolean} isNeeded */
  showKeyField(isNeeded) {
    element("key-field", HTMLElement).hidden = !isNeeded;
    this.#key.required = isNeeded;
  }

  focusKey() {
    this.#key.focus();
  }

  /** The key was exchanged; it is not kept. */
  forgetKey() {
    this.#key.value = "";
  }

  /** Open microphone and camera; what is wrong with them is told. @returns {Promise<boolean>} */
  async openDevices() {
    try {
      for (const notice of await this.#media.open(this.wish)) {
        this.#notices.show(notice, { isProblem: true });
      }
      this.#notices.remove("errorPermission");
      return true;
    } catch (error) {
      if (!(error instanceof CallError)) {
        throw error;
      }
      this.#notices.show(error.key, { isProblem: true, stays: true });
      return false;
    } finally {
      await this.#listDevices();
    }
  }

  #bindSettings() {
    const save = () => {
      this.#readSettings();
      saveSettings(this.settings);
      this.#showPatience();
      this.#listVoices();
    };
    this.#form.addEventListener("input", save);
    this.#form.addEventListener("change", (event) => {
      save();
      if (event.target instanceof HTMLInputElement && event.target.name === "mode") {
        this.#onMode();
      }
    });
    element("voice-file", HTMLInputElement).addEventListener("change", () => void this.#readVoice());
  }

  #bindDevices() {
    const media = this.#media;
    document.addEventListener("pointerdown", () => this.#level.wake());
    document.addEventListener("keydown", () => this.#level.wake());
    element("allow", HTMLElement).addEventListener("click", () => void this.openDevices());
    element("lobby-microphone", HTMLElement).addEventListener("click", () => {
      if (media.microphone === null) {
        void this.openDevices();
      } else {
        media.setMuted(!media.isMuted);
      }
    });
    element("lobby-camera", HTMLElement).addEventListener("click", () => {
      this.#wantsCamera = media.camera === null;
      if (this.#wantsCamera) {
        void this.openDevices();
      } else {
        media.closeCamera();
      }
    });
    this.#microphones.addEventListener("change", () => {
      if (media.microphone !== null) {
        void this.#choose(() => media.chooseMicrophone(this.#microphones.value));
      }
    });
    this.#cameras.addEventListener("change", () => {
      if (media.camera !== null) {
        void this.#choose(() => media.chooseCamera(this.#cameras.value));
      }
    });
  }

  /** @param {() => Promise<void>} choose */
  async #choose(choose) {
    try {
      await choose();
    } catch (error) {
      if (!(error instanceof CallError)) {
        throw error;
      }
      this.#notices.show(error.key, { isProblem: true });
    }
  }

  #onMode() {
    this.#wantsCamera = true;
    if (this.settings.mode === "voice") {
      this.#media.closeCamera();
    } else if (this.#media.microphone !== null) {
      void this.openDevices();
    }
    this.#showMedia();
  }

  async #readVoice() {
    const file = element("voice-file", HTMLInputElement).files?.[0];
    try {
      this.recordedVoice = file === undefined ? null : await recordedVoice(file);
    } catch (error) {
      if (!(error instanceof CallError)) {
        throw error;
      }
      this.recordedVoice = null;
      this.#notices.show(error.key, { isProblem: true });
    }
  }

  #showSettings() {
    const { settings } = this;
    for (const radio of this.#form.querySelectorAll("input[name=mode]")) {
      if (radio instanceof HTMLInputElement) {
        radio.checked = radio.value === settings.mode;
      }
    }
    element("instructions", HTMLTextAreaElement).value = settings.instructions;
    element("patience", HTMLInputElement).value = String(settings.patienceMs);
    element("interruption", HTMLInputElement).checked = settings.interruption;
    element("hd", HTMLInputElement).checked = settings.hd;
    element("transport-choice", HTMLSelectElement).value = settings.transport;
    this.#listVoices();
    this.#showPatience();
  }

  #readSettings() {
    const mode = new FormData(this.#form).get("mode");
    const transport = element("transport-choice", HTMLSelectElement).value;
    Object.assign(this.settings, {
      mode: mode === "voice" ? "voice" : "video",
      microphoneId: this.#microphones.value,
      cameraId: this.#cameras.value,
      voice: this.#voiceChoice.value,
      instructions: element("instructions", HTMLTextAreaElement).value,
      patienceMs: Number(element("patience", HTMLInputElement).value),
      interruption: element("interruption", HTMLInputElement).checked,
      hd: element("hd", HTMLInputElement).checked,
      transport,
    });
  }

  #showPatience() {
    const seconds = (this.settings.patienceMs / 1000).toFixed(1);
    setText(element("patience-value", HTMLOutputElement), t("seconds", { seconds }));
  }

  #listVoices() {
    const voices = [...this.#voices, "recording"];
    const names = voices.map((voice) =>
      voice === "default"
        ? t("voiceDefault")
        : voice === "recording"
          ? t("voiceRecording")
          : voice,
    );
    fill(this.#voiceChoice, voices, names, this.settings.voice);
    this.settings.voice = this.#voiceChoice.value;
    element("voice-file-field", HTMLElement).hidden = this.settings.voice !== "recording";
  }

  async #listDevices() {
    const [microphones, cameras] = await Promise.all([
      devices("audioinput"),
      devices("videoinput"),
    ]);
    listed(this.#microphones, microphones, this.settings.microphoneId);
    listed(this.#cameras, cameras, this.settings.cameraId);
  }

  #showMedia() {
    const { camera, microphone, isMuted } = this.#media;
    const isVideo = this.settings.mode === "video";
    showTrack(element("preview-video", HTMLVideoElement), camera);
    element("preview", HTMLElement).classList.toggle("has-picture", camera !== null);
    element("allow", HTMLElement).hidden = microphone !== null;
    element("camera-field", HTMLElement).hidden = !isVideo;
    element("lobby-camera", HTMLElement).hidden = !isVideo;
    const text = microphone === null ? "previewAsk" : isVideo ? "previewOff" : "previewVoice";
    setTextKey(element("preview-text", HTMLElement), text);
    const button = element("lobby-microphone", HTMLElement);
    showToggle(button, { isOff: isMuted, icon: "icon-microphone", offKey: "mute", onKey: "unmute" });
    showToggle(element("lobby-camera", HTMLElement), {
      isOff: camera === null,
      icon: "icon-camera",
      offKey: "cameraOff",
      onKey: "cameraOn",
    });
    if (this.#isShown) {
      this.#level.listenTo(microphone);
    }
  }

  #showLevel() {
    if (!this.#isShown) {
      return;
    }
    const level = this.#media.isMuted ? 0 : this.#level.read();
    [...this.#meter.children].forEach((bar, i) => {
      bar.classList.toggle("lit", level * BARS > i + 0.5);
    });
    const spoken = Math.round((100 * level) / SPOKEN_LEVEL_STEP) * SPOKEN_LEVEL_STEP;
    this.#meter.setAttribute("aria-valuenow", String(spoken));
    requestAnimationFrame(() => this.#showLevel());
  }
}

/**
 * Options of a choice; the chosen one stays chosen where it still exists.
 * @param {HTMLSelectElement} select
 * @param {string[]} values
 * @param {string[]} names
 * @param {string} chosen
 */
function fill(select, values, names, chosen) {
  select.replaceChildren(...values.map((value, i) => new Option(names[i], value)));
  select.value = values.includes(chosen) ? chosen : values[0];
}

/**
 * @param {HTMLSelectElement} select
 * @param {MediaDeviceInfo[]} found
 * @param {string} chosen A device that is gone stays chosen until the call says so.
 */
function listed(select, found, chosen) {
  const named = found.filter(({ deviceId }) => deviceId !== "" && deviceId !== "default");
  const values = ["", ...named.map(({ deviceId }) => deviceId)];
  const names = [
    t("deviceDefault"),
    ...named.map(({ label }, i) => label || t("deviceNumber", { number: i + 1 })),
  ];
  fill(select, values, names, chosen);
}
