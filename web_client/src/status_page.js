// The status page: what runs here, whether it is ready, and how to call it.

const REFRESH_MS = 5000;
const LANGUAGE_KEY = "omnicall.language";

/** @typedef {"en" | "zh"} Language */

/** @type {Record<Language, Record<string, string>>} */
const TEXTS = {
  en: {
    what: "This is a server for voice and video calls with a model that hears, sees and speaks. It runs on the machine whose address you opened; nothing you send leaves that machine.",
    stateTitle: "State",
    untrained:
      "The checkpoint is untrained: its weights are random. Calls work from end to end, but what it says means nothing.",
    checkpoint: "Checkpoint",
    device: "Runs on",
    parameters: "Parameters",
    sessions: "Open calls",
    callTitle: "Place a call",
    callPage: "Call from this browser",
    callHow: "From a terminal, in the folder where Omnicall is installed:",
    callClients: "Clients of the OpenAI Realtime API can call this address over WebSocket:",
    moreTitle: "For developers",
    docs: "The HTTP interface (OpenAPI)",
    metrics: "Metrics",
    ready: "Ready for calls.",
    notReady: "Not ready: ",
    unreachable: "The server does not answer.",
    keyNeeded: "This server wants a key; what runs on it is shown to clients that have one.",
    of: "of",
  },
  zh: {
    what: "这是一台语音和视频通话服务器，通话对象是一个能听、能看、能说的模型。它运行在您打开的这个地址所在的机器上，您发送的内容不会离开这台机器。",
    stateTitle: "状态",
    untrained: "当前模型未经训练，权重是随机的：通话流程完整可用，但它说的话没有意义。",
    checkpoint: "模型",
    device: "运行设备",
    parameters: "参数量",
    sessions: "进行中的通话",
    callTitle: "发起通话",
    callPage: "用这个浏览器通话",
    callHow: "或者在安装 Omnicall 的目录中打开终端，输入：",
    callClients: "OpenAI Realtime API 的客户端可以通过 WebSocket 连接这个地址：",
    moreTitle: "开发者",
    docs: "HTTP 接口（OpenAPI）",
    metrics: "运行指标",
    ready: "可以通话。",
    notReady: "尚未就绪：",
    unreachable: "服务器没有响应。",
    keyNeeded: "这台服务器需要密钥；只有持有密钥的客户端才能看到它运行的模型。",
    of: "/",
  },
};

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) {
    throw new Error(`the page has no #${id}`);
  }
  return found;
}

/** @returns {Language} */
function firstLanguage() {
  const stored = localStorage.getItem(LANGUAGE_KEY);
  if (stored === "en" || stored === "zh") {
    return stored;
  }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

let language = firstLanguage();

function showTexts() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = TEXTS[language][node.getAttribute("data-text") ?? ""] ?? "";
  }
  for (const button of document.querySelectorAll("button[data-language]")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("data-language") === language));
  }
}

/** Set a text only when it differs, so that screen readers announce changes and nothing else.
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  const node = element(id);
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/**
 * @param {any} ready Body of /ready.
 * @param {boolean} keyNeeded
 */
function showState(ready, keyNeeded) {
  const texts = TEXTS[language];
  const state = ready.ready ? texts.ready : texts.notReady + ready.reason;
  setText("state", keyNeeded ? `${state} ${texts.keyNeeded}` : state);
  setText("sessions", `${ready.sessions_open} ${texts.of} ${ready.sessions_limit}`);
}

/** @param {any} model First entry of /v1/models. */
function showModel(model) {
  element("facts").hidden = false;
  element("untrained").hidden = model.trained !== false;
  setText("checkpoint", model.id);
  setText("device", model.device ? `${model.device}, ${model.dtype}` : "–");
  setText("parameters", model.parameters ? model.parameters.toLocaleString(language) : "–");
}

async function refresh() {
  try {
    const [ready, models] = await Promise.all([fetch("ready"), fetch("v1/models")]);
    showState(await ready.json(), models.status === 401);
    if (models.ok) {
      showModel((await models.json()).data[0]);
    } else {
      element("facts").hidden = true;
    }
  } catch (error) {
    console.error(error);
    setText("state", TEXTS[language].unreachable);
  }
}

function showAddress() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const address = `${scheme}://${location.host}/v1/realtime`;
  setText("address", address);
  setText("command", `omnicall call --url ${address} --audio question.wav --out reply.wav`);
}

for (const button of document.querySelectorAll("button[data-language]")) {
  button.addEventListener("click", () => {
    language = button.getAttribute("data-language") === "zh" ? "zh" : "en";
    localStorage.setItem(LANGUAGE_KEY, language);
    showTexts();
    void refresh();
  });
}

showTexts();
showAddress();
void refresh();
setInterval(() => void refresh(), REFRESH_MS);
