// The page's own words in the reader's language; the server sends them, their keys are the English ones.
const block = document.getElementById("words");
const words = block ? JSON.parse(block.textContent) : {};

export function say(english, name = "") {
  return (words[english] || english).replace("{name}", () => name);
}
