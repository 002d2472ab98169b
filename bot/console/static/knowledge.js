// The knowledge pages: a form that loses nothing, ids, languages, the microphone of the "try it" box.
import "./console.js";
import { trouble } from "./trouble.js";
import { add } from "./uploads.js";
import { canRecord, record } from "/chat/recorder.js";

const form = document.getElementById("entry");
let dirty = false; // something would be lost
let typed = false; // since the form was last sent
function touched() { dirty = typed = true; }

// ---- the list beside the form looks again when anybody changed the draft
document.addEventListener("live", ({ detail }) => {
  if (detail.topics.includes("default")) htmx.trigger(document.body, "draft");
});
const list = document.querySelector(".entries");
const open = list?.querySelector("[aria-current]");
if (open) list.scrollTop = open.offsetTop - list.offsetTop - list.clientHeight / 2;

// ---- the form
function grow(box) {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 420)}px`;
}
for (const box of document.querySelectorAll("[data-grow]")) grow(box);

const slug = (text) => text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40).replace(/-+$/, "");

document.addEventListener("input", ({ target }) => {
  if (target.matches?.("[data-grow]")) grow(target);
  if (!form?.contains(target)) return;
  touched();
  if (target.name === "id") target.dataset.own = "yes";
  if (target.name === "question") suggest();
});

// A new entry's id follows its question until somebody types one.
function suggest() {
  const id = form?.elements.id;
  if (id && id.type !== "hidden" && !id.dataset.own) id.value = slug(form.elements.question.value);
}
suggest();
document.addEventListener("change", ({ target }) => { if (form?.contains(target) && target.type === "checkbox") touched(); });
form?.addEventListener("files", ({ target }) => {
  touched();
  if (target.dataset.name === "media") htmx.trigger(form.querySelector(".answer textarea"), "input");
});
window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });

document.body.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
  // A redirect after saving or deleting leaves nothing behind.
  if (detail.xhr.getResponseHeader("HX-Redirect") && detail.xhr.status < 300) dirty = false;
});
document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt !== form) return;
  if (!detail.successful) { dirty = true; return; }
  dirty = typed;
  form.querySelector("h1").textContent = form.elements.question.value;
});
document.addEventListener("keydown", (event) => {
  if (form && event.key === "s" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit(form.querySelector(".save"));
  }
});
document.addEventListener("click", ({ target }) => {
  const mine = target.closest("[data-overwrite]");
  if (mine) {
    document.getElementById("revision").value = mine.dataset.overwrite;
    trouble("");
    form.requestSubmit(form.querySelector(".save"));
  }
  if (target.closest("[data-add-language]")) addLanguage();
  const recorder = target.closest("[data-record]");
  if (recorder) toggle(recorder);
});

function addLanguage() {
  const wish = document.getElementById("language");
  const tag = wish.value.trim();
  if (!/^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$/.test(tag)) return trouble("A language is a tag such as de or pt-BR.");
  const name = `answer_${tag}`;
  if (!form.elements[name]) {
    const first = form.querySelector(".answer");
    const label = document.createElement("label");
    label.className = "answer";
    label.append("Answer ", Object.assign(document.createElement("span"), { className: "chip", textContent: tag }));
    const box = first.querySelector("textarea").cloneNode();
    box.setAttribute("hx-trigger", "input changed delay:300ms, focus once");
    box.name = name;
    box.value = "";
    label.append(box);
    document.getElementById("answers").append(label);
    htmx.process(label);
  }
  wish.value = "";
  form.elements[name].focus();
}

// ---- the "try it" box
document.body.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.elt === form) typed = false;
  if (!detail.elt.matches?.("[data-teach]")) return;
  detail.path = `/console/knowledge/entry/${encodeURIComponent(detail.elt.querySelector("select").value)}/variant`;
});
const button = document.querySelector("[data-record]");
if (button && canRecord()) button.hidden = false;
let recording = null;
let asking = false; // for the microphone

async function toggle(button) {
  const words = button.querySelector("span");
  if (recording) return recording.stop();
  if (asking) return;
  asking = true;
  try {
    recording = await record({ tick: (seconds) => { words.textContent = `Stop (${seconds} s)`; } });
  } catch {
    return trouble("The microphone cannot be used: allow it in the browser (it needs https, or this very machine).");
  } finally {
    asking = false;
  }
  button.classList.add("recording");
  const blob = await recording.done;
  recording = null;
  button.classList.remove("recording");
  words.textContent = "Record";
  if (blob) add(document.querySelector("#try [data-kind=voice]"), [new File([blob], "recording.webm", { type: blob.type })]);
}
document.getElementById("try")?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && event.target.name === "text") {
    event.preventDefault();
    event.currentTarget.requestSubmit();
  }
});
