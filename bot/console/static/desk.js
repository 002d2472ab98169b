// The desk: brings list and transcript up to date, keeps what an agent is typing.
import { tell } from "./console.js";
import { parsed, remember, sync } from "./keyed.js";
import { trouble } from "./trouble.js";
import { thumb } from "./uploads.js";

const PARTS = ["head", "transcript", "side"];
const $ = (id) => document.getElementById(id);
const open = () => $("talk").dataset.id || "";
const draft = (id) => `polydesk-draft-${document.body.dataset.user}-${id}`;

async function page(address) {
  const answer = await fetch(address, { headers: { "HX-Request": "true" }, redirect: "error" });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  if (answer.headers.has("HX-Redirect")) {
    trouble("You are logged out.", "/console/login");
    throw new Error("logged out");
  }
  return parsed(await answer.text());
}

function drawn(nodes) {
  for (const node of nodes) { htmx.process(node); tell(node.parentElement); }
}

// ---- what changed, at most one look at a time
let looking = false;
let again = false;
async function look(list, talk) {
  if (looking) { again = true; return; }
  looking = true;
  try {
    if (list) await lookAtList();
    if (talk) await lookAtTalk();
  } catch { /* the next ring looks again */ }
  looking = false;
  if (again) { again = false; await look(true, true); }
}

async function lookAtList() {
  const query = new URLSearchParams({ open: open(), q: $("q").value });
  const fresh = await page(`/console/desk/list?${query}`);
  drawn(sync($("tickets"), fresh));
  mark();
}

async function lookAtTalk() {
  const id = open();
  if (!id) return;
  const fresh = await page(`/console/desk/${id}/parts`);
  if (id !== open()) return; // somebody went on meanwhile
  const transcript = $("transcript");
  const below = atEnd;
  for (const part of PARTS) drawn(sync($(part), fresh.querySelector(`#${part}`)));
  if (below) down(); else if (transcript.scrollHeight > transcript.clientHeight) transcript.classList.add("more");
}

let atEnd = true; // until somebody scrolls up; photos that arrive late push the end away
function nearEnd() {
  const box = $("transcript");
  return !box || box.scrollHeight - box.scrollTop - box.clientHeight < 120;
}

function down() {
  const box = $("transcript");
  if (!box) return;
  atEnd = true;
  box.scrollTop = box.scrollHeight;
  box.classList.remove("more");
}

function mark() {
  for (const ticket of $("tickets").querySelectorAll(".ticket")) {
    if (ticket.dataset.id === open()) ticket.setAttribute("aria-current", "true"); else ticket.removeAttribute("aria-current");
  }
}

document.addEventListener("live", ({ detail }) => {
  look(true, detail.topics.length === 0 || detail.topics.includes(open()));
});

// ---- the open conversation
const room = new ResizeObserver(() => { if (atEnd) down(); });
function begin() {
  for (const part of PARTS) if ($(part)) remember($(part));
  $("desk").classList.toggle("chosen", Boolean(open()));
  const composer = $("composer");
  if (composer) composer.elements.text.value = sessionStorage.getItem(draft(open())) || "";
  grow();
  down();
  mark();
  // What makes the transcript smaller (a longer answer, a trouble) must not hide its end.
  room.disconnect();
  if ($("transcript")) room.observe($("transcript"));
  $("transcript")?.addEventListener("load", () => { if (atEnd) down(); }, true);
  $("transcript")?.addEventListener("scroll", () => {
    atEnd = nearEnd();
    if (atEnd) $("transcript").classList.remove("more");
  });
}

function grow() {
  const box = $("composer")?.elements.text;
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 190)}px`;
}

function forgetChoice() {
  const composer = $("composer");
  for (const name of ["entry", "turn"]) composer.elements[name].value = "";
  $("chosen").hidden = true;
}

document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.id === "talk") { trouble(""); begin(); }
  if (!detail.target.matches(".picker, .found")) return;
  detail.target.closest(".picker").scrollIntoView({ block: "nearest" });
  if (detail.target.matches(".picker")) detail.target.querySelector("button").focus();
});
// The same words sent again have the same key: they are not said twice. What is typed meanwhile stays.
const keys = new Map(); // conversation -> what was sent last, with its key
document.body.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.elt.id !== "composer") return;
  const { mode, text } = detail.elt.elements;
  if (mode.value === "note") detail.path = `/console/desk/${detail.elt.dataset.id}/note`;
  const id = detail.elt.dataset.id;
  const whole = JSON.stringify([detail.path, text.value, detail.formData.getAll("photo")]);
  if (keys.get(id)?.whole !== whole) keys.set(id, { whole, key: crypto.getRandomValues(new Uint32Array(4)).join("-") });
  detail.formData.set("key", keys.get(id).key);
});
document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful || detail.requestConfig.verb !== "post") return;
  if (detail.elt.id === "composer") {
    arrived(detail.elt, detail.requestConfig.formData, detail.requestConfig.path.endsWith("/say"));
  }
  const path = detail.requestConfig.path;
  if (path.endsWith("/about")) { // somewhere up in the transcript, and what is read there stays in sight
    shut(detail.elt.closest(".picker"));
    look(false, true);
    return;
  }
  look(true, true).then(() => { down(); if (path.endsWith("/claim")) write("say"); });
});
function arrived(composer, sent, said) {
  const { id } = composer.dataset;
  const box = composer.elements.text;
  const text = sent.get("text");
  if (box.value.startsWith(text)) box.value = box.value.slice(text.length).trimStart();
  if (box.value) sessionStorage.setItem(draft(id), box.value);
  else sessionStorage.removeItem(draft(id));
  if (said) {
    const photos = sent.getAll("photo");
    for (const one of composer.querySelectorAll(".thumb")) if (photos.includes(one.querySelector("input").value)) one.remove();
    if (composer.isConnected) forgetChoice();
  }
  if (keys.get(id)?.key === sent.get("key")) keys.delete(id);
  grow();
}
document.body.addEventListener("input", ({ target }) => {
  if (target.name === "text" && target.form?.id === "composer") {
    sessionStorage.setItem(draft(open()), target.value);
    if (!target.value.trim()) forgetChoice();
    grow();
  }
});
document.body.addEventListener("change", ({ target }) => { if (target.name === "mode") write(target.value); });

function shut(picker) {
  if (!picker) return;
  picker.replaceChildren();
  picker.previousElementSibling.focus({ preventScroll: true });
}

function write(mode) {
  const composer = $("composer");
  const note = mode === "note";
  const box = composer.elements.text;
  composer.elements.mode.value = mode;
  box.placeholder = note ? "A note that only colleagues see" : "Write to the customer";
  box.setAttribute("aria-label", note ? "Internal note" : "Answer");
  composer.querySelector(".send span").textContent = note ? "Save note" : "Send";
  box.focus();
}
document.body.addEventListener("click", ({ target }) => {
  if (target.closest("#aside")) return $("talk").classList.toggle("sided");
  if (!target.closest("#side")) $("talk").classList.remove("sided");
  if (target.closest("[data-shut]")) return shut(target.closest(".picker"));
  const use = target.closest("[data-use]");
  const composer = $("composer");
  if (!use || !composer) return;
  write("say");
  const box = composer.elements.text;
  const before = box.value.trim();
  box.value = before && before !== use.dataset.use ? `${before}\n\n${use.dataset.use}` : use.dataset.use;
  composer.elements.entry.value = use.dataset.entry;
  composer.elements.turn.value = use.dataset.turn;
  $("chosen").textContent = `Answer of ${use.dataset.entry}`;
  $("chosen").hidden = !use.dataset.entry;
  const zone = composer.querySelector("[data-upload]");
  for (const sha of (use.dataset.media || "").split(" ").filter(Boolean)) thumb(zone, { sha });
  sessionStorage.setItem(draft(open()), box.value);
  $("talk").classList.remove("sided");
  grow();
  box.focus();
});
document.body.addEventListener("keydown", (event) => {
  if (event.key === "Escape") shut(event.target.closest(".picker"));
  const form = event.target.form;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form?.id === "composer") {
    event.preventDefault();
    if (getComputedStyle(form.querySelector(".writing")).display !== "none") form.requestSubmit();
  }
});
document.body.addEventListener("htmx:responseError", ({ detail }) => {
  if (detail.xhr.status === 409) look(true, true); // a colleague was faster: show who
});

let searching = 0;
$("q").addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(() => lookAtList().catch(() => trouble("The search did not reach the server.")), 200);
});

remember($("tickets"));
begin();
