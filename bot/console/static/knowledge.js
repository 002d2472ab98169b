// The knowledge page: drag and drop, previews of chosen photos, closing of messages.
for (const box of document.querySelectorAll(".drop")) {
  const input = box.querySelector("input[type=file]");
  const draw = () => {
    box.querySelector(".fresh").replaceChildren(...[...input.files].map((file) => {
      const image = document.createElement("img");
      image.src = URL.createObjectURL(file);
      image.alt = file.name;
      return image;
    }));
  };
  input.addEventListener("change", draw);
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    const chosen = new DataTransfer();
    if (input.multiple) for (const file of input.files) chosen.items.add(file);
    for (const file of event.dataTransfer.files) if (file.type.startsWith("image/")) chosen.items.add(file);
    input.files = chosen.files;
    draw();
  });
}
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.getElementById("trouble").replaceChildren();
});
document.body.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) document.getElementById("trouble").replaceChildren();
});
