// What every page of the console does: counts who waits, rings, tells times, shows troubles.
import "/chat/voice-note.js";
import "./uploads.js";
import { settled, shown, trouble } from "./trouble.js";

const title = document.title;
const bell = document.getElementById("bell");
const me = document.body.dataset.user;
const seen = { rung: null, heard: null };
let audio = null;
let rings = 0;

// ---- times: the reader's own clock, and durations that grow while one looks at them
const hours = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit" });
const days = new Intl.DateTimeFormat([], { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });

function since(ms, plain) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 10 && !plain) return "just now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

export function tell(root = document) {
  for (const box of root.querySelectorAll("[data-at]")) {
    const at = new Date(Number(box.dataset.at));
    box.textContent = (at.toDateString() === new Date().toDateString() ? hours : days).format(at);
    box.title = at.toLocaleString();
  }
  for (const box of root.querySelectorAll("[data-since]")) {
    const ms = Date.now() - Number(box.dataset.since);
    box.textContent = since(ms, "plain" in box.dataset);
    box.closest(".ticket, .state")?.classList.toggle("late", ms > 5 * 60000);
  }
}

// ---- the bell
const rings_on = () => localStorage.getItem("polydesk-bell") !== "off";

function wake() {
  audio ||= new AudioContext();
  if (audio.state === "suspended") audio.resume().catch(() => {});
  drawBell();
}

function tone() {
  if (!audio || audio.state !== "running") return;
  const loudness = audio.createGain();
  loudness.connect(audio.destination);
  loudness.gain.setValueAtTime(0.14, audio.currentTime);
  loudness.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.9);
  for (const [hertz, after] of [[660, 0], [880, 0.14]]) {
    const voice = audio.createOscillator();
    voice.frequency.value = hertz;
    voice.connect(loudness);
    voice.start(audio.currentTime + after);
    voice.stop(audio.currentTime + 0.9);
  }
}

function ring(words, id) {
  if (!rings_on()) return;
  document.documentElement.dataset.rings = ++rings;
  tone();
  if (window.Notification?.permission !== "granted" || (document.visibilityState === "visible" && document.hasFocus())) return;
  const note = new Notification(words, { body: "Open the desk to answer.", tag: `polydesk-${id}`, icon: "/console/static/icon.svg" });
  note.onclick = () => { window.focus(); location.href = id ? `/console/desk/${id}` : "/console/desk"; };
}

function drawBell() {
  if (!bell) return;
  const asleep = rings_on() && !audio && !navigator.userActivation?.hasBeenActive;
  bell.setAttribute("aria-pressed", rings_on());
  bell.classList.toggle("off", !rings_on());
  bell.classList.toggle("asleep", asleep);
  bell.title = asleep ? "Click anywhere, so that the browser lets this page ring" : "Sound and notifications";
}

bell?.addEventListener("click", async () => {
  const on = !rings_on() || window.Notification?.permission === "default";
  localStorage.setItem("polydesk-bell", on ? "on" : "off");
  drawBell();
  if (!on) return;
  wake();
  tone();
  if (window.Notification?.permission === "default") await Notification.requestPermission();
});
// Browsers let a page sound only after somebody has touched it.
for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, wake, { once: true, capture: true });
drawBell();

// ---- live
function heard(now) {
  const badge = document.querySelector("[data-count]");
  badge.textContent = now.waiting || "";
  badge.hidden = !now.waiting;
  badge.title = `${now.waiting} waiting`;
  document.title = now.waiting ? `(${now.waiting}) ${title}` : title;
  if (seen.rung !== null && now.rung > seen.rung) ring("A customer is waiting", now.newest);
  else if (seen.heard !== null && now.heard > seen.heard) ring("Your customer wrote", "");
  seen.rung = Math.max(seen.rung ?? 0, now.rung);
  seen.heard = Math.max(seen.heard ?? 0, now.heard);
  const warning = document.getElementById("warning");
  warning.replaceChildren(...now.trouble.map((words) => Object.assign(document.createElement("p"), { textContent: words })));
  document.dispatchEvent(new CustomEvent("live", { detail: now }));
}

// One tab listens for all of a person's tabs: a browser opens only six connections to one host.
const others = new BroadcastChannel(`polydesk-live-${me}`);
let last = null;
let leads = false;
others.onmessage = ({ data }) => {
  if (data === "hello") { if (leads && last) others.postMessage({ ...last, topics: [] }); } else heard(data);
};

function listen() {
  leads = true;
  const stream = new EventSource("/console/live");
  stream.addEventListener("changed", (event) => {
    last = JSON.parse(event.data);
    heard(last);
    others.postMessage(last);
  });
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    stream.close();
    setTimeout(again, 4000);
  });
}

async function again() {
  try {
    const answer = await fetch("/console/me", { redirect: "manual" });
    if (answer.type === "opaqueredirect") return trouble("You are logged out.", "/console/login");
  } catch { /* the server is away: it may come back */ }
  listen();
}

if (navigator.locks) navigator.locks.request(`polydesk-live-${me}`, () => { listen(); return new Promise(() => {}); });
else listen();
others.postMessage("hello");

// ---- requests
const began = new WeakMap(); // request -> the trouble that was shown when it began: a later one is another matter
document.body.addEventListener("htmx:beforeRequest", ({ detail }) => began.set(detail.xhr, shown()));
document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful && detail.requestConfig.verb !== "get") settled(began.get(detail.xhr));
  if (detail.successful && detail.elt.matches?.("[data-reset]")) detail.elt.reset();
});
document.body.addEventListener("htmx:sendError", () => trouble("The server cannot be reached. Nothing you typed is lost; try again in a moment."));
document.body.addEventListener("htmx:timeout", () => trouble("That took too long. Nothing you typed is lost; try again."));
document.body.addEventListener("htmx:load", ({ target }) => tell(target));
document.body.addEventListener("submit", (event) => {
  const limit = Number(event.target.dataset?.limit || 0) * 1024 * 1024;
  const files = limit ? [...event.target.querySelectorAll("input[type=file]")].flatMap((input) => [...input.files]) : [];
  if (files.reduce((sum, file) => sum + file.size, 0) <= limit) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  trouble(`That is too large: at most ${event.target.dataset.limit} MB.`);
}, true);
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) trouble("");
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("DOMContentLoaded", () => tell()); // when the page's own script has seen what the server wrote
setInterval(tell, 5000);
