// Brings a part of the page up to date without touching what did not change: a playing voice note plays on.
const known = new WeakMap();

const key = (node) => node.id || node.outerHTML;

export function remember(container) {
  for (const child of container.children) known.set(child, child.outerHTML);
}

// `fresh` is the same element as the server renders it now; returns the children that came or changed.
export function sync(container, fresh) {
  const old = new Map([...container.children].map((child) => [child.id || known.get(child), child]));
  const changed = [];
  let place = container.firstElementChild;
  for (const child of [...fresh.children]) {
    const html = child.outerHTML;
    const before = old.get(key(child));
    old.delete(key(child));
    let now = before;
    if (!before || known.get(before) !== html) {
      now = document.importNode(child, true);
      known.set(now, html);
      changed.push(now);
      keepOpen(before, now);
      if (before) {
        if (place === before) place = before.nextElementSibling;
        before.remove();
      }
    }
    if (now === place) place = place.nextElementSibling;
    else container.insertBefore(now, place);
  }
  for (const gone of old.values()) gone.remove();
  for (const name of ["data-state", "class", "aria-label"]) {
    if (fresh.hasAttribute(name)) container.setAttribute(name, fresh.getAttribute(name));
  }
  return changed;
}

function keepOpen(before, now) {
  const open = before ? [...before.querySelectorAll("details")].map((one) => one.open) : [];
  [...now.querySelectorAll("details")].forEach((one, at) => { if (open[at]) one.open = true; });
}

export function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}
