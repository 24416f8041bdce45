// The page: lobby, call, end, and the way from one to the next.

import { Call } from "./call.js";
import { CallError } from "./call_errors.js";
import { element } from "./dom.js";
import { bindLanguageButtons, language, t, translatePage } from "./i18n.js";
import { LocalMedia } from "./local_media.js";
import { ServerApi } from "./server_api.js";
import { sessionPatch } from "./session_patch.js";
import { CallView } from "./views/call_view.js";
import { EndView } from "./views/end_view.js";
import { Lobby } from "./views/lobby.js";
import { Notices } from "./views/notices.js";

/** @typedef {import("./i18n.js").TextKey} TextKey */
/** @typedef {import("./server_api.js").ServerFacts} ServerFacts */

const IN_CALL_KEY = "omnicall.inCall";
const VIEWS = /** @type {const} */ (["lobby", "call", "end"]);

class Page {
  #api = new ServerApi();
  #media = new LocalMedia();
  #notices = new Notices();
  #lobby = new Lobby(this.#media, this.#notices, () => void this.#place());
  #callView = new CallView(this.#media, this.#notices);
  #endView = new EndView(this.#api, {
    onAgain: () => void this.#place(),
    onLobby: () => void this.#toLobby(),
  });
  /** @type {Call | null} */
  #call = null;
  /** @type {ServerFacts} */
  #facts = {
    keyNeeded: false,
    keepsFeedback: false,
    keepsFeedbackContent: false,
    voices: ["default"],
    trained: true,
  };
  /** @type {WakeLockSentinel | null} */
  #wakeLock = null;

  async start() {
    translatePage();
    bindLanguageButtons();
    this.#media.addEventListener("lost", (event) => {
      if (event instanceof CustomEvent && event.detail === "microphone") {
        this.#notices.show("noticeMicrophoneLost", { isProblem: true, stays: true });
      }
    });
    window.addEventListener("pagehide", () => this.#leave());
    window.addEventListener("pageshow", ({ persisted }) => {
      if (persisted) {
        location.reload(); // brought back from the browser's cache; the call is not
      }
    });
    if (!navigator.mediaDevices) {
      this.#notices.show("errorInsecure", { isProblem: true, stays: true });
    }
    if (sessionStorage.getItem(IN_CALL_KEY) !== null && isReload()) {
      this.#notices.show("reloaded", { stays: true });
    }
    sessionStorage.removeItem(IN_CALL_KEY);
    await Promise.all([this.#learnFacts(), this.#toLobby()]);
  }

  async #learnFacts() {
    try {
      this.#facts = await this.#api.facts();
      this.#lobby.showFacts(this.#facts, this.#api.isSignedIn);
    } catch (error) {
      this.#tell(error);
    }
  }

  async #toLobby() {
    this.#show("lobby");
    await this.#lobby.show();
  }

  async #place() {
    this.#notices.clear();
    this.#lobby.setBusy(true);
    this.#show("lobby");
    const { settings } = this.#lobby;
    try {
      await this.#signIn();
      if (!(await this.#lobby.openDevices())) {
        return;
      }
      const call = new Call({
        api: this.#api,
        media: this.#media,
        settings: { ...settings },
        session: sessionPatch(settings, language(), this.#lobby.recordedVoice),
        onState: () => this.#callView.onState(),
        onEntry: (entry) => this.#callView.onEntry(entry),
        onNotice: (key, isProblem) => this.#notices.show(key, { isProblem }),
        onEnd: (reason) => this.#onEnd(reason),
        text: t,
      });
      this.#call = call;
      await call.start();
      sessionStorage.setItem(IN_CALL_KEY, call.callId);
      this.#lobby.hide();
      this.#show("call");
      this.#callView.show(call, settings.mode === "video");
      this.#callView.onState();
      await this.#stayAwake();
    } catch (error) {
      this.#call = null;
      this.#tell(error);
      await this.#toLobby();
    } finally {
      this.#lobby.setBusy(false);
    }
  }

  /** Exchange the access key for a secret where the server wants one. */
  async #signIn() {
    if (this.#facts.keyNeeded && !this.#api.isSignedIn) {
      this.#lobby.showKeyField(true);
      await this.#api.signIn(this.#lobby.accessKey);
      this.#lobby.forgetKey();
      this.#lobby.showKeyField(false);
    }
  }

  /** @param {TextKey | null} reason */
  #onEnd(reason) {
    const call = this.#call;
    if (call === null) {
      return;
    }
    this.#call = null;
    sessionStorage.removeItem(IN_CALL_KEY);
    void this.#wakeLock?.release();
    this.#wakeLock = null;
    this.#callView.hide();
    this.#media.close();
    this.#notices.clear();
    this.#show("end");
    this.#endView.show(call, reason, this.#facts);
  }

  /** The page goes away, and the call with it: the server is told, the next page remembers. */
  #leave() {
    const call = this.#call;
    this.#call = null;
    call?.hangUp();
  }

  /** @param {unknown} error */
  #tell(error) {
    console.info("the call could not be placed", error);
    const isKnown = error instanceof CallError;
    const key = isKnown ? error.key : "errorRefused";
    const detail = isKnown && key === "errorRefused" ? error.detail : "";
    this.#notices.show(key, { isProblem: true, stays: true, detail });
    if (key === "errorKey") {
      this.#api.signOut();
      this.#lobby.showKeyField(true);
      this.#lobby.focusKey();
    }
  }

  async #stayAwake() {
    try {
      this.#wakeLock = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch (error) {
      console.info("the screen may go dark during the call", error);
    }
  }

  /** @param {typeof VIEWS[number]} shown */
  #show(shown) {
    document.body.setAttribute("data-view", shown);
    for (const view of VIEWS) {
      element(view, HTMLElement).hidden = view !== shown;
    }
  }
}

function isReload() {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation instanceof PerformanceNavigationTiming && navigation.type === "reload";
}

void new Page().start();
