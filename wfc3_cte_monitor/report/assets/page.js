/* Buttons that copy, and pictures that fail loudly rather than silently. */
"use strict";

(() => {
  document.querySelectorAll("button[data-copies]").forEach((button) => {
    const said = button.textContent;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copies);
      try {
        await navigator.clipboard.writeText(source.value);
      } catch {
        // A page that was opened from a file, or without https, may not use the clipboard by itself.
        source.closest("details").open = true;
        source.select();
        document.execCommand("copy");
      }
      button.textContent = "copied";
      setTimeout(() => { button.textContent = said; }, 1500);
    });
  });
})();
