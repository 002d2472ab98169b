// The one place where a page says what went wrong.
export function trouble(text, link = "") {
  const place = document.getElementById("trouble");
  if (!text) return place.replaceChildren();
  const box = document.createElement("div");
  box.className = "note bad";
  const words = document.createElement("p");
  words.textContent = `${text} `;
  if (link) words.append(Object.assign(document.createElement("a"), { href: link, target: "_blank", textContent: "Log in" }));
  const close = document.createElement("button");
  Object.assign(close, { type: "button", className: "round", textContent: "×", ariaLabel: "Close" });
  close.dataset.dismiss = "";
  box.append(words, close);
  place.replaceChildren(box);
}

// What is shown now, for `settled`.
export const shown = () => document.getElementById("trouble").firstElementChild;

// Something went well that began while `before` was shown: that trouble is over, a later one is not.
export function settled(before) {
  if (before && before === shown()) trouble("");
}

// The server words its troubles as a part of a page.
export async function refused(answer) {
  document.getElementById("trouble").innerHTML = await answer.text();
}

export const headers = () => ({ ...JSON.parse(document.body.getAttribute("hx-headers") || "{}"), "HX-Request": "true" });
