// Everything the page asks the server over HTTP.

import { CallError, refusal } from "./call_errors.js";

/**
 * @typedef {object} Readiness
 * @property {boolean} ready
 * @property {string} reason
 * @property {number} sessions_open
 * @property {number} sessions_limit
 */
/**
 * @typedef {object} ServerFacts
 * @property {boolean} keyNeeded
 * @property {boolean} keepsFeedback
 * @property {boolean} keepsFeedbackContent
 * @property {string[]} voices
 * @property {boolean} trained
 */
/** @typedef {{ answer: string, callId: string }} PlacedCall */

/** @typedef {{ value: string, expiresAtS: number }} Secret */

const SECRET_KEY = "omnicall.secret";
const SECRET_LIFETIME_S = 7200; // a call that is lost after an hour is placed again without asking
const SECRET_MARGIN_S = 30;

export class ServerApi {
  /** @type {Secret | null} */
  #secret = storedSecret();

  /** Whether calls are taken, and why not. @returns {Promise<Readiness>} */
  async ready() {
    const response = await this.#fetch("ready");
    return await response.json();
  }

  /**
   * What the lobby can offer. A server that says nothing about itself gets the least.
   * @returns {Promise<ServerFacts>}
   */
  async facts() {
    const response = await this.#fetch("v1/realtime/info");
    const body = response.ok ? await response.json() : {};
    return {
      keyNeeded: body.key_needed ?? false,
      keepsFeedback: body.feedback?.ratings ?? true,
      keepsFeedbackContent: body.feedback?.content ?? false,
      voices: body.voices ?? ["default"],
      trained: body.trained !== false,
    };
  }

  /**
   * Exchange the server's key for a secret that opens calls for some time. The key is used here,
   * once, and not kept; the secret is kept until this tab is closed.
   * @param {string} accessKey
   */
  async signIn(accessKey) {
    const response = await this.#fetch("v1/realtime/client_secrets", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${accessKey}` },
      body: JSON.stringify({
        expires_after: { anchor: "created_at", seconds: SECRET_LIFETIME_S },
      }),
    });
    await this.#check(response);
    const body = await response.json();
    this.#secret = { value: body.value, expiresAtS: body.expires_at };
    sessionStorage.setItem(SECRET_KEY, JSON.stringify(this.#secret));
  }

  /** Whether a secret is at hand that still opens calls. */
  get isSignedIn() {
    return isValid(this.#secret);
  }

  /** The secret, for a WebSocket's subprotocol; empty when the server needs none. */
  get secret() {
    return this.#secret?.value ?? "";
  }

  /** Forget the secret: it was refused. */
  signOut() {
    this.#secret = null;
    sessionStorage.removeItem(SECRET_KEY);
  }

  /** @returns {Promise<RTCIceServer[]>} */
  async iceServers() {
    const response = await this.#fetch("v1/realtime/ice_servers", { headers: this.#bearer() });
    return response.ok ? ((await response.json()).ice_servers ?? []) : [];
  }

  /**
   * Place a WebRTC call, or go on with one over a new connection.
   * @param {string} offer
   * @param {Record<string, unknown>} session
   * @param {string} [callId] Of the call to go on with.
   * @returns {Promise<PlacedCall>}
   */
  async placeCall(offer, session, callId = "") {
    const form = new FormData();
    form.set("sdp", offer);
    form.set("session", JSON.stringify(session));
    const query = callId ? `?call_id=${encodeURIComponent(callId)}` : "";
    const response = await this.#fetch(`v1/realtime/calls${query}`, {
      method: "POST",
      headers: this.#bearer(),
      body: form,
    });
    await this.#check(response);
    const location = response.headers.get("Location") ?? "";
    return { answer: await response.text(), callId: location.split("/").pop() ?? "" };
  }

  /**
   * End a WebRTC call; outlives the page.
   * @param {string} callId
   */
  async hangUp(callId) {
    await this.#fetch(`v1/realtime/calls/${encodeURIComponent(callId)}/hangup`, {
      method: "POST",
      headers: this.#bearer(),
      keepalive: true,
    });
  }

  /**
   * Make the model forget a call.
   * @param {string} sessionId
   */
  async reset(sessionId) {
    const path = `v1/realtime/sessions/${encodeURIComponent(sessionId)}/reset`;
    await this.#check(await this.#fetch(path, { method: "POST", headers: this.#bearer() }));
  }

  /** @param {{ call_id: string, rating: string, comment?: string, transcript?: string }} feedback */
  async sendFeedback(feedback) {
    const response = await this.#fetch("v1/feedback", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...this.#bearer() },
      body: JSON.stringify(feedback),
    });
    await this.#check(response);
  }

  /** Time of one small request and its answer. */
  async measureRttMs() {
    const beganMs = performance.now();
    await this.#fetch("health", { cache: "no-store" });
    return performance.now() - beganMs;
  }

  /** @returns {Record<string, string>} */
  #bearer() {
    return this.#secret === null ? {} : { Authorization: `Bearer ${this.#secret.value}` };
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   */
  async #fetch(path, options) {
    try {
      return await fetch(path, options);
    } catch (cause) {
      throw new CallError("errorUnreachable", { cause });
    }
  }

  /** @param {Response} response */
  async #check(response) {
    if (response.ok) {
      return;
    }
    const body = await response.json().catch(() => ({}));
    throw refusal(body.error?.code ?? "", body.error?.message ?? response.statusText);
  }
}

/** @param {Secret | null} secret */
function isValid(secret) {
  return secret !== null && secret.expiresAtS - Date.now() / 1000 > SECRET_MARGIN_S;
}

/** @returns {Secret | null} */
function storedSecret() {
  /** @type {Secret | null} */
  const secret = JSON.parse(sessionStorage.getItem(SECRET_KEY) ?? "null");
  return isValid(secret) ? secret : null;
}
