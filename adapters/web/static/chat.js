// The chat page: keeps one conversation in this browser, sends what is typed, shown or said, shows what comes live.
import { Composing } from "./composing.js";
import { Lines } from "./lines.js";
import { Outbox } from "./outbox.js";
import { canRecord, extension, record } from "./recorder.js";
import { events } from "./stream.js";
import { say } from "./words.js";

const $ = (id) => document.getElementById(id);
const API = "/api/v1/conversations";
const KEEP = "polydesk-chat";
const DRAFT = "polydesk-chat-draft";
const LARGEST = 20 * 1024 * 1024;
const TOGETHER = 40 * 1024 * 1024;
const MOST = 10;
const title = document.title;
const files = new Map();
let chat = kept(KEEP);
let opening = null;
let cursor = 0;
let parts = [];
let recording = null;
let following = null;
let unseen = 0;

function kept(name) {
  try { return JSON.parse(localStorage.getItem(name)); } catch { return null; }
}

function keep(name, value) {
  try { if (value) localStorage.setItem(name, JSON.stringify(value)); else localStorage.removeItem(name); } catch { /* private mode: then the page forgets */ }
}

const newId = () => `${Date.now().toString(36)}-${Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
const bearer = () => ({ Authorization: `Bearer ${chat.token}` });

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

// ---- the conversation
function open() {
  opening ||= (async () => {
    const answer = await fetch(API, { method: "POST" });
    if (!answer.ok) throw Object.assign(new Error("not opened"), { after: Number(answer.headers.get("Retry-After")) || 2 });
    chat = await answer.json();
    keep(KEEP, chat);
    follow();
  })().finally(() => { opening = null; });
  return opening;
}

function forget() {
  keep(KEEP, null);
  chat = null;
  cursor = 0;
  following?.abort();
  following = null;
  lines.clear();
  files.clear();
  busy(false);
  $("state").className = "dot";
  $("with").textContent = $("with").dataset.bot;
  $("hello").hidden = false;
}

const lines = new Lines($("lines"), {
  file: async (sha) => {
    if (!files.has(sha)) {
      files.set(sha, fetch(`${API}/${chat.id}/files/${sha}`, { headers: bearer() }).then(async (answer) => {
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
        return URL.createObjectURL(await answer.blob());
      }));
    }
    return files.get(sha);
  },
  tap: (key, label) => outbox.add({ client: newId(), text: label, tap: key, parts: [] }),
  look: (address) => { $("looked").src = address; $("look").showModal(); },
});

const outbox = new Outbox(deliver, (item, state, words) => {
  $("hello").hidden = true;
  const box = lines.pending(item, state, words);
  if (state === "refused" && box) offerBack(box, item);
});

async function deliver(item) {
  try {
    if (!chat) await open();
    const form = new FormData();
    form.set("client_id", item.client);
    form.set("text", item.text);
    if (item.tap) form.set("tap", item.tap);
    for (const part of item.parts) form.append(part.kind, part.blob, part.name);
    const answer = await fetch(`${API}/${chat.id}/messages`, { method: "POST", body: form, headers: bearer() });
    if (answer.ok) { composing.spoke(); return true; }
    if (answer.status === 401) { forget(); return 0; }
    if (answer.status === 413) return say("Too large: at most 20 MB a file.");
    if (answer.status >= 500 || answer.status === 429) return Number(answer.headers.get("Retry-After")) || 2;
    return say("This could not be sent.");
  } catch (problem) {
    return problem.after || 0.5;
  }
}

const composing = new Composing((client_id, stopped) => {
  if (!chat) return false; // nothing was said yet that could wait
  const body = new URLSearchParams({ client_id, stopped });
  fetch(`${API}/${chat.id}/composing`, { method: "POST", body, headers: bearer() }).catch(() => { /* then not */ });
  return true;
}, newId);

// What the server will never take goes back to where it can be changed.
function offerBack(box, item) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: say("Change it"), className: "back" });
  button.addEventListener("click", () => {
    box.remove();
    $("text").value = item.text;
    for (const part of item.parts) add(part.kind, part.blob, part.name);
    grow();
    $("text").focus();
  });
  box.append(button);
}

async function follow() {
  following?.abort();
  const mine = (following = new AbortController());
  let pause = 500;
  while (chat && following === mine) {
    try {
      for await (const { event, data } of events(`${API}/${chat.id}/stream?after=${cursor}`, chat.token, mine.signal)) {
        $("state").className = "dot live";
        $("lines").setAttribute("aria-busy", "false");
        pause = 500;
        if (event === "line") heard(JSON.parse(data));
        if (event === "busy") busy(true);
      }
    } catch (problem) {
      if (mine.signal.aborted) return;
      if (problem.status === 401) return forget();
    }
    if (following !== mine) return;
    $("state").className = "dot";
    await new Promise((done) => { setTimeout(done, pause); window.addEventListener("online", done, { once: true }); });
    pause = Math.min(pause * 2, 8000);
  }
}

function heard(row) {
  const { line } = row;
  cursor = Math.max(cursor, row.cursor);
  $("hello").hidden = true;
  if (line.client_id) outbox.arrived(line.client_id);
  const fresh = !lines.shown.has(row.id);
  lines.show(row);
  if (line.from === "customer") return;
  busy(false);
  if (line.from === "agent") $("with").textContent = line.name || $("with").dataset.person;
  if (line.from === "bot") $("with").textContent = $("with").dataset.bot;
  if (fresh && document.visibilityState === "hidden") document.title = `(${++unseen}) ${title}`;
}
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") return;
  unseen = 0;
  document.title = title;
  outbox.nudge();
});

let busyTimer = 0;
function busy(on) {
  const stay = lines.nearEnd();
  $("busy").hidden = !on;
  clearTimeout(busyTimer);
  if (on) busyTimer = setTimeout(() => busy(false), 6000);
  if (on && stay) lines.down();
}

// ---- writing
$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (recording) await finish();
  const text = $("text").value.trim();
  if (!text && !parts.length) return $("text").focus();
  trouble("");
  const item = { client: composing.sent(), text, parts: parts.map(({ kind, blob, name }) => ({ kind, blob, name })) };
  parts = [];
  $("text").value = "";
  keep(DRAFT, null);
  drawParts();
  grow();
  $("text").focus();
  outbox.add(item);
});

function grow() {
  const box = $("text");
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}
$("text").addEventListener("input", () => {
  grow();
  keep(DRAFT, $("text").value);
  if ($("text").value.trim()) composing.goesOn(); else composing.stops();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && matchMedia("(pointer: fine)").matches) {
    event.preventDefault();
    $("form").requestSubmit();
  }
});
$("human").addEventListener("click", () => outbox.add({ client: newId(), text: "/human", parts: [] }));
$("fresh").addEventListener("click", () => (chat ? $("sure").showModal() : $("text").focus()));
$("sure").addEventListener("close", () => { if ($("sure").returnValue === "yes") { forget(); $("text").focus(); } $("sure").returnValue = ""; });
$("look").addEventListener("click", () => $("look").close());

// ---- photos
function add(kind, blob, name) {
  if (blob.size > LARGEST) return trouble(say("{name} is too large: at most 20 MB a file.", name));
  if (kind === "voice") parts = parts.filter((part) => part.kind !== "voice");
  if (parts.length >= MOST) return trouble(say("At most 10 files at once."));
  if (parts.reduce((sum, part) => sum + part.blob.size, blob.size) > TOGETHER) return trouble(say("At most 40 MB at once: send the rest afterwards."));
  parts.push({ kind, blob, name, url: URL.createObjectURL(blob) });
  drawParts();
}

function addFiles(list) {
  trouble("");
  for (const file of list) {
    if (file.type.startsWith("image/")) add("photo", file, file.name || "photo.png");
    else if (/^(audio|video)\//.test(file.type)) add("voice", file, file.name);
    else trouble(say("{name} is neither a photo nor a voice note.", file.name));
  }
}

function drawParts() {
  $("parts").replaceChildren(...parts.map((part) => {
    const box = document.createElement("div");
    box.className = `part ${part.kind}`;
    const shown = document.createElement(part.kind === "photo" ? "img" : "voice-note");
    shown.setAttribute("src", part.url);
    if (part.kind === "photo") shown.alt = part.name;
    const off = Object.assign(document.createElement("button"), { type: "button", textContent: "×", title: say("Remove {name}", part.name), ariaLabel: say("Remove {name}", part.name) });
    off.addEventListener("click", () => { parts = parts.filter((other) => other !== part); URL.revokeObjectURL(part.url); drawParts(); });
    box.append(shown, off);
    return box;
  }));
}

$("photo").addEventListener("change", ({ target }) => { addFiles(target.files); target.value = ""; });
document.addEventListener("paste", (event) => {
  const list = [...(event.clipboardData?.files || [])];
  if (list.length) { event.preventDefault(); addFiles(list); }
});
let over = 0;
document.addEventListener("dragenter", (event) => { if (event.dataTransfer?.types.includes("Files")) { over += 1; document.body.classList.add("over"); } });
document.addEventListener("dragleave", () => { over = Math.max(0, over - 1); document.body.classList.toggle("over", over > 0); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  document.body.classList.remove("over");
  addFiles(event.dataTransfer?.files || []);
});

// ---- voice notes
if (!canRecord()) $("voice").hidden = true;
let asking = false; // for the microphone
$("voice").addEventListener("click", async () => {
  if (asking || recording) return;
  asking = true;
  trouble("");
  try {
    recording = await record({
      tick: (seconds) => { composing.goesOn(); $("seconds").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`; },
      level: (loudness) => $("level").style.setProperty("--level", loudness),
    });
  } catch {
    return trouble(say("The microphone cannot be used: allow it in the browser (it needs https, or this very machine)."));
  } finally {
    asking = false;
  }
  document.body.classList.add("recording");
  $("stop").focus();
  const mine = recording;
  const blob = await mine.done;
  if (recording === mine) recording = null;
  document.body.classList.remove("recording");
  if (blob) add("voice", blob, `voice-note.${extension(blob.type)}`); else composing.stops();
});
async function finish() {
  const mine = recording;
  mine.stop();
  await mine.done;
  await Promise.resolve(); // until the part is drawn
}
$("stop").addEventListener("click", () => { recording?.stop(); $("text").focus(); });
$("discard").addEventListener("click", () => { recording?.discard(); $("text").focus(); });

$("text").value ||= kept(DRAFT) || ""; // somebody may have begun to write already
grow();
if (chat) { $("hello").hidden = true; follow(); }
document.dispatchEvent(new Event("chat-begun"));
