// What button a person taps before the page's scripts have started is kept, then tapped. Loaded before anything is shown;
// `data-until` names the event by which the scripts say that they have.
{
  const kept = new Set();
  const keep = (event) => {
    const what = event.target.closest?.("button");
    if (!what) return;
    event.preventDefault(); // a form would be sent by the browser itself, and lead nowhere
    event.stopImmediatePropagation();
    kept.add(what);
  };
  document.addEventListener("click", keep, true);
  document.addEventListener(document.currentScript.dataset.until, () => {
    document.removeEventListener("click", keep, true);
    for (const what of kept) what.click();
  }, { once: true });
}
