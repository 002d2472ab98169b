// The chat page: keeps one conversation in this browser, sends what is typed, shown or said, shows what comes live.
import { events } from "/chat/stream.js";

const $ = (id) => document.getElementById(id);
const API = "/api/v1/conversations";
const KEEP = "polydesk-chat";
const lines = $("lines");
const shown = new Map();
const pictures = new Map();
let chat = JSON.parse(localStorage.getItem(KEEP) || "null");
let cursor = 0;
let parts = [];
let recorder = null;
let following = null;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

async function open() {
  if (chat) return chat;
  const answer = await fetch(API, { method: "POST" });
  if (!answer.ok) throw new Error(answer.status === 429 ? "Too many new chats from here; wait a minute." : "The chat cannot be opened right now.");
  chat = await answer.json();
  localStorage.setItem(KEEP, JSON.stringify(chat));
  follow();
  return chat;
}

function forget() {
  localStorage.removeItem(KEEP);
  chat = null;
  cursor = 0;
  following?.abort();
  shown.clear();
  lines.replaceChildren();
  $("busy").hidden = true;
  $("state").className = "dot";
}

async function follow() {
  following?.abort();
  const mine = (following = new AbortController());
  let pause = 500;
  while (chat && following === mine) {
    try {
      for await (const { event, data } of events(`${API}/${chat.id}/stream?after=${cursor}`, chat.token, mine.signal)) {
        $("state").className = "dot live";
        pause = 500;
        if (event === "line") show(JSON.parse(data));
        if (event === "busy") busy();
      }
    } catch (problem) {
      if (mine.signal.aborted) return;
      if (problem.status === 401) return forget();
    }
    $("state").className = "dot";
    await sleep(pause);
    pause = Math.min(pause * 2, 10000);
  }
}

let busyUntil = 0;
function busy() {
  $("busy").hidden = false;
  clearTimeout(busyUntil);
  busyUntil = setTimeout(() => ($("busy").hidden = true), 6000);
}

async function picture(sha) {
  if (!pictures.has(sha)) {
    const answer = await fetch(`${API}/${chat.id}/files/${sha}`, { headers: { Authorization: `Bearer ${chat.token}` } });
    if (!answer.ok) return "";
    pictures.set(sha, URL.createObjectURL(await answer.blob()));
  }
  return pictures.get(sha);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function show({ id, cursor: at, line }) {
  cursor = Math.max(cursor, at);
  const own = line.client_id && lines.querySelector(`[data-client="${CSS.escape(line.client_id)}"]`);
  const box = element("div", `line ${line.from}`);
  box.dataset.id = id;
  if (line.client_id) box.dataset.client = line.client_id;
  if (line.from === "agent" && line.name) box.append(element("span", "who", line.name));
  for (const sha of line.pictures || []) {
    const image = element("img");
    image.alt = "photo";
    picture(sha).then((url) => { image.src = url; }).then(() => image.decode?.()).then(down, () => {});
    box.append(image);
  }
  for (const sha of line.voices || []) {
    const audio = element("audio");
    audio.controls = true;
    picture(sha).then((url) => { audio.src = url; });
    box.append(audio);
  }
  if (line.text) {
    const bubble = element("div", "bubble");
    if (line.html) {
      bubble.innerHTML = line.html; // rendered and escaped by the server
      for (const link of bubble.querySelectorAll("a")) { link.target = "_blank"; link.rel = "noopener noreferrer"; }
    } else {
      bubble.textContent = line.text;
    }
    box.append(bubble);
  }
  if (line.choices?.length) box.append(choices(line.choices));
  const before = shown.get(id) || own;
  if (before) before.replaceWith(box); else lines.append(box);
  shown.set(id, box);
  if (line.from !== "customer") $("busy").hidden = true;
  down();
}

function choices(list) {
  const row = element("div", "choices");
  for (const { key, label } of list) {
    const button = element("button", "", label);
    button.type = "button";
    button.addEventListener("click", async () => {
      for (const other of row.children) other.disabled = true;
      button.classList.add("tapped");
      const form = new FormData();
      form.set("tap", key);
      form.set("text", label);
      if (!(await deliver(form, newId()))) for (const other of row.children) other.disabled = false;
    });
    row.append(button);
  }
  return row;
}

function down() {
  lines.scrollTop = lines.scrollHeight;
}

async function deliver(form, client) {
  form.set("client_id", client);
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      await open();
      const answer = await fetch(`${API}/${chat.id}/messages`, {
        method: "POST", body: form, headers: { Authorization: `Bearer ${chat.token}` },
      });
      if (answer.ok) { trouble(""); return true; }
      if (answer.status === 401) { forget(); continue; }
      if (answer.status === 413) { trouble("That is too large: at most 20 MB a file."); return false; }
      if (answer.status === 429) { trouble("That was a lot at once. Wait a minute, then send it again."); return false; }
      if (answer.status < 500) { trouble("That could not be sent."); return false; }
    } catch (problem) {
      if (attempt === 3) trouble(problem.message);
    }
    await sleep(700 * 2 ** attempt); // the same client_id again: what arrived twice counts once
  }
  trouble("No connection. Your message was not sent; try again.");
  return false;
}

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (recorder) return recorder.stop();
  const text = $("text").value.trim();
  if (!text && !parts.length) return;
  const form = new FormData();
  form.set("text", text);
  for (const part of parts) form.append(part.kind, part.blob, part.name);
  const client = newId();
  const box = element("div", "line customer waiting");
  box.dataset.client = client;
  for (const part of parts) {
    const media = element(part.kind === "photo" ? "img" : "audio");
    media.src = part.url;
    if (part.kind === "voice") media.controls = true;
    box.append(media);
  }
  if (text) box.append(element("div", "bubble", text));
  lines.append(box);
  down();
  const sending = parts;
  parts = [];
  drawParts();
  $("text").value = "";
  grow();
  if (!(await deliver(form, client))) {
    box.remove();
    $("text").value = text;
    parts = sending;
    drawParts();
  }
});

function add(kind, blob, name) {
  parts.push({ kind, blob, name, url: URL.createObjectURL(blob) });
  drawParts();
}

function drawParts() {
  $("parts").replaceChildren(...parts.map((part) => {
    const box = element("div", "part");
    const media = element(part.kind === "photo" ? "img" : "audio");
    media.src = part.url;
    if (part.kind === "photo") media.alt = part.name; else media.controls = true;
    const off = element("button", "", "×");
    off.type = "button";
    off.title = "Remove";
    off.addEventListener("click", () => { parts = parts.filter((other) => other !== part); drawParts(); });
    box.append(media, off);
    return box;
  }));
}

$("photo").addEventListener("change", (event) => {
  for (const file of event.target.files) add("photo", file, file.name);
  event.target.value = "";
});
document.addEventListener("paste", (event) => {
  for (const item of event.clipboardData?.items || []) {
    if (item.kind === "file" && item.type.startsWith("image/")) add("photo", item.getAsFile(), "pasted.png");
  }
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer?.files || []) if (file.type.startsWith("image/")) add("photo", file, file.name);
});

$("voice").addEventListener("click", async () => {
  if (recorder) return recorder.stop();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const pieces = [];
    recorder = new MediaRecorder(stream);
    recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
    recorder.addEventListener("stop", () => {
      stream.getTracks().forEach((track) => track.stop());
      const type = recorder.mimeType;
      recorder = null;
      $("voice").classList.remove("recording");
      $("voice-says").textContent = "Record a voice note";
      parts = parts.filter((part) => part.kind !== "voice");
      add("voice", new Blob(pieces, { type }), "voice.webm");
    });
    recorder.start();
    $("voice").classList.add("recording");
    $("voice-says").textContent = "Stop recording";
  } catch {
    trouble("The microphone cannot be used: allow it in the browser (it needs https, or this very machine).");
  }
});

function grow() {
  const box = $("text");
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}
$("text").addEventListener("input", grow);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("form").requestSubmit();
  }
});
$("fresh").addEventListener("click", forget);
if (chat) follow();
