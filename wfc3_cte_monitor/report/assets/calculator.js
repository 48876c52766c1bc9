/* The calculator: one star's loss from the published coefficients. */
"use strict";

(() => {
  const form = document.getElementById("calculator");
  const published = window.cteCoefficients || [];
  if (!form || !published.length) return;

  const WORDS = {
    DATE: "extrapolated beyond the epochs of the coefficients",
    FLUX: "fainter or brighter than the stars of the coefficients: the loss is that of the nearest of them",
    BACKGROUND: "less or more background than the coefficients know: the loss is that at the nearest they know",
    SATURATED: "so bright that the flux is not to be trusted",
    OFF_CHIP: "no row of the chip: no correction",
    NOT_FINITE: "something is missing or is no positive number: no correction",
  };
  const POORLY_KNOWN = 0.1; // mag, as in "correct --what-if"
  const NAMES = ["target", "filter", "length", "ctecorr", "aperture"];
  const LABELS = { length: { s: "short (up to 60 s)", l: "long" }, ctecorr: { false: "FLT", true: "FLC" } };
  const field = (name) => form.elements.namedItem(name); // "length" alone would be their number

  /* Only what there is of what was chosen before: no choice without coefficients. */
  function fill() {
    let left = published.filter((set) => set.unit === "mag");
    for (const name of NAMES) {
      const kept = field(name).value;
      const values = [...new Set(left.map((set) => String(set[name])))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      field(name).replaceChildren(...values.map((value) => new Option((LABELS[name] || {})[value] || value, value)));
      if (values.includes(kept)) field(name).value = kept;
      left = left.filter((set) => String(set[name]) === field(name).value);
    }
    return left;
  }

  function rows() {
    const y = Number(field("y").value);
    return field("chip").value === "1" ? cte.ROWS + 1 - y : y;
  }

  function mjd() {
    const day = Date.parse(`${field("date").value}T00:00:00Z`);
    return day / 86400000 + 40587;
  }

  function show() {
    const sets = fill();
    const result = document.getElementById("result");
    const notes = document.getElementById("notes");
    if (!sets.length) {
      result.textContent = "no coefficients in magnitudes";
      return;
    }
    const number = (name) => (field(name).value.trim() === "" ? NaN : Number(field(name).value));
    const star = { mjd: mjd(), flux: number("flux"), rows: rows(), background: number("background") };
    const { correction, error, flags } = cte.correct(sets, star);
    const minus = (value) => value.toFixed(4).replace("-", "−");
    result.textContent = Number.isFinite(correction)
      ? `${minus(correction)} ± ${minus(error)} mag too faint; corrected flux ${(star.flux * 10 ** (0.4 * correction)).toPrecision(6)} e⁻`
      : "no correction";
    const said = flags.map((flag) => `${flag}: ${WORDS[flag]}`);
    if (error > POORLY_KNOWN) said.push(`poorly known: these data leave a standard error of more than ${POORLY_KNOWN} mag`);
    notes.replaceChildren(...said.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
    document.getElementById("used").textContent = cte.used(sets, star.background).map((set) => set.source).join(", ");
  }

  show();
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
})();
