// The training page looks again when anybody's training went on, or another release went live.
document.addEventListener("live", ({ detail }) => {
  if (detail.topics.includes("training") || detail.topics.includes("default")) htmx.trigger("#training", "refresh");
});
