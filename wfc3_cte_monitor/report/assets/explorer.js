/* The explorer: losses of all pairs, as a figure to point at. The losses come from data/losses.js, the coefficients
 * from data/coefficients.js. What is chosen stands in the address, so that a link leads to the same figure. */
"use strict";

(() => {
  const data = window.cteLosses;
  const published = window.cteCoefficients;
  const figure = document.getElementById("figure");
  if (!figure || !data || !data.pairs.length) return;

  // Okabe & Ito (2008): colours that the colour-blind tell apart, and dark enough on white; symbols differ, too.
  const LOOKS = [["#0072B2", "circle"], ["#D55E00", "square"], ["#009E73", "diamond"], ["#CC79A7", "triangle-up"],
    ["#000000", "triangle-down"], ["#E69F00", "cross"], ["#56B4E9", "star"]];
  const FEWEST_STARS = 10;
  const CURVE_POINTS = 60;
  const LENGTHS = { s: "short", l: "long" };
  const AXES = { date: "date [year]", flux: "flux of the star [e⁻]", background: "background [e⁻/px]" };

  const form = document.getElementById("choice");
  const field = (name) => form.elements.namedItem(name); // "length" alone would be their number
  const year = (mjd) => 2000 + (mjd - 51544.5) / 365.25;
  const unique = (values) => [...new Set(values)];
  const targetName = (target) => target.replace(/([a-z]+)(\d+)/g, (_, word, number) => `${word.toUpperCase()} ${number}`);
  const text = (value) => String(value).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const fixed = (value, digits) => value.toFixed(digits).replace("-", "−");
  const levels = unique(data.sets.map((set) => set.flashlvl)).sort((a, b) => a - b);
  const flashName = (level) => (level ? `flash ${level} e⁻/px` : "no flash");
  const binName = (bin) => `${bin.lo}–${bin.hi} e⁻`;
  const epochs = unique(data.pairs.map((pair) => pair.epoch)).sort((a, b) => a - b);

  /* ---- The choice ---- */

  function fill(name, options) {
    field(name).replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  }

  function fillForm() {
    const sets = (name) => unique(data.sets.map((set) => set[name]));
    fill("x", Object.keys(AXES).map((name) => [name, name]));
    fill("target", sets("target").map((value) => [value, targetName(value)]));
    fill("filter", sets("filter").map((value) => [value, value]));
    fill("length", sets("length").sort().map((value) => [value, LENGTHS[value]]));
    fill("ctecorr", sets("ctecorr").sort().map((value) => [value, value ? "FLC" : "FLT"]));
    fill("aperture", data.apertures.map((value) => [value, `${value} px`]));
    fill("bin", data.bins.map((bin, k) => [k, binName(bin)]));
    const usual = data.bins.findIndex((bin) => bin.finest && bin.lo <= 1000 && bin.hi > 1000);
    field("bin").value = Math.max(usual, 0);
    const names = epochs.map((epoch) => [epoch, year(epoch).toFixed(2)]);
    fill("first", names);
    fill("last", names);
    field("last").value = epochs[epochs.length - 1];
    const boxes = document.getElementById("levels");
    boxes.replaceChildren(...levels.map((level) => {
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "flashlvl", value: level, checked: true });
      label.append(box, ` ${flashName(level)}`);
      return label;
    }));
  }

  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const name of ["x", "target", "filter", "length", "ctecorr", "aperture", "bin", "first", "last"]) {
      const options = [...field(name).options].map((option) => option.value);
      if (options.includes(asked.get(name))) field(name).value = asked.get(name);
    }
    if (asked.has("flashlvl")) {
      const wanted = asked.get("flashlvl").split(" ");
      form.querySelectorAll("[name=flashlvl]").forEach((box) => { box.checked = wanted.includes(box.value); });
    }
  }

  function choice() {
    const chosen = Object.fromEntries(["x", "target", "filter", "length", "aperture"].map((name) => [name, field(name).value]));
    return {
      ...chosen,
      ctecorr: field("ctecorr").value === "true",
      bin: Number(field("bin").value),
      first: Number(field("first").value),
      last: Number(field("last").value),
      levels: [...form.querySelectorAll("[name=flashlvl]:checked")].map((box) => Number(box.value)),
      model: field("model").checked,
    };
  }

  function writeAddress(chosen) {
    const { levels: flashlvl, model, ...rest } = chosen;
    const address = new URLSearchParams({ ...rest, flashlvl: flashlvl.join(" ") });
    history.replaceState(null, "", `#${address}`);
  }

  /* ---- The points ---- */

  function isOfSet(set, chosen) {
    return set.target === chosen.target && set.filter === chosen.filter && set.length === chosen.length
      && set.ctecorr === chosen.ctecorr;
  }

  /* Points of the choice: one per pair and bin. */
  function points(chosen) {
    const values = data.values[chosen.aperture];
    const bins = chosen.x === "flux" ? data.bins.map((_, k) => k).filter((k) => data.bins[k].finest) : [chosen.bin];
    return data.pairs.flatMap((pair, k) => {
      const set = data.sets[pair.set];
      if (!isOfSet(set, chosen) || !chosen.levels.includes(set.flashlvl)) return [];
      if (pair.epoch < chosen.first || pair.epoch > chosen.last) return [];
      return bins.filter((bin) => values.loss[k][bin] !== null).map((bin) => ({
        pair, level: set.flashlvl, bin: data.bins[bin], loss: values.loss[k][bin], err: values.err[k][bin],
        n: values.n[k][bin], logflux: values.logflux[k][bin],
      }));
    }).filter((point) => point.n >= FEWEST_STARS);
  }

  function across(point, chosen) {
    return { date: year(point.pair.mjd), flux: 10 ** point.logflux, background: point.pair.background }[chosen.x];
  }

  function says(point) {
    const unit = text(data.unit);
    return [`<b>${year(point.pair.mjd).toFixed(2)}</b> (MJD ${point.pair.mjd.toFixed(1)})`,
      point.pair.images.map(text).join("<br>"),
      `${binName(point.bin)}, ${flashName(point.level)}, background ${point.pair.background === null ? "?" : fixed(point.pair.background, 1)} e⁻/px`,
      `${point.n} stars`,
      `loss ${fixed(point.loss, 4)} ± ${fixed(point.err, 4)} ${unit}`].join("<br>");
  }

  /* One colour scale of all points, told once. */
  function scale(found) {
    const years = found.map((point) => year(point.pair.epoch));
    const [cmin, cmax] = [Math.min(...years), Math.max(...years)];
    return { colorscale: "Cividis", cmin, cmax, colorbar: { title: { text: "year" }, tickformat: ".1f", thickness: 12, outlinewidth: 0 } };
  }

  function traces(chosen) {
    const found = points(chosen);
    return { found, drawn: chosen.levels.map((level) => {
      const of = found.filter((point) => point.level === level);
      const [color, symbol] = LOOKS[levels.indexOf(level) % LOOKS.length];
      const byEpoch = chosen.x === "flux";
      return {
        type: "scatter", mode: "markers", name: flashName(level),
        x: of.map((point) => across(point, chosen)), y: of.map((point) => point.loss),
        error_y: { type: "data", array: of.map((point) => point.err), color: byEpoch ? "#777777" : color, thickness: 1.2, width: 2 },
        marker: byEpoch
          ? { symbol, size: 8, color: of.map((point) => year(point.pair.epoch)), line: { color: "#333333", width: 0.8 }, ...scale(found) }
          : { symbol, size: 8, color },
        customdata: of.map((point) => point.pair.page), text: of.map(says), hovertemplate: "%{text}<extra></extra>",
      };
    }).filter((trace) => trace.x.length).map((trace, k) => {
      if (chosen.x === "flux") trace.marker.showscale = k === 0;
      return trace;
    }) };
  }

  /* ---- The model of the published coefficients ---- */

  function coefficientsOf(chosen, level) {
    return published.find((set) => isOfSet(set, chosen) && set.flashlvl === level && String(set.aperture) === chosen.aperture);
  }

  const median = (values) => values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const between = (low, high) => Array.from({ length: CURVE_POINTS }, (_, k) => low + ((high - low) * k) / (CURVE_POINTS - 1));

  function curve(set, at, look) {
    return {
      type: "scatter", mode: "lines", name: "model", hoverinfo: "skip", showlegend: false,
      x: at.map(([value]) => value), y: at.map(([, mjd, f, background]) => cte.surface(set, mjd, f, background).loss),
      line: look,
    };
  }

  function curves(chosen, found) {
    const last = Math.max(...found.map((point) => point.pair.epoch));
    if (chosen.x === "background") {
      const set = coefficientsOf(chosen, null);
      if (!set) return [];
      const f = median(found.map((point) => point.logflux));
      const grid = between(...set.background_range.map((value) => Math.sqrt(Math.max(value, 0)))).map((root) => root ** 2);
      return [curve(set, grid.map((b) => [b, last, f, b]), { color: "#333333", width: 1.5 })];
    }
    return chosen.levels.flatMap((level) => {
      const of = found.filter((point) => point.level === level);
      const set = coefficientsOf(chosen, level);
      if (!set || !of.length) return [];
      const [color] = LOOKS[levels.indexOf(level) % LOOKS.length];
      if (chosen.x === "date") {
        const f = median(of.map((point) => point.logflux));
        const dates = between(Math.min(...of.map((point) => point.pair.mjd)), Math.max(...of.map((point) => point.pair.mjd)));
        return [curve(set, dates.map((mjd) => [year(mjd), mjd, f]), { color, width: 1.5 })];
      }
      const flux = between(...set.f_range);
      const dash = levels.indexOf(level) ? "dash" : "solid";
      return [curve(set, flux.map((f) => [10 ** f, last, f]), { color: "#333333", width: 1.5, dash })];
    });
  }

  /* ---- The figure ---- */

  function title(chosen) {
    const parts = [targetName(chosen.target), chosen.filter, LENGTHS[chosen.length], chosen.ctecorr ? "FLC" : "FLT", `r = ${chosen.aperture} px`];
    if (chosen.x !== "flux") parts.push(binName(data.bins[chosen.bin]));
    return parts.join(", ");
  }

  function layout(chosen) {
    const plain = { zeroline: false, showline: true, mirror: true, ticks: "inside", gridcolor: "#e6e6e6", linecolor: "#444444" };
    const range = { flux: { type: "log", dtick: "D2" }, background: { rangemode: "tozero" }, date: { tickformat: ".1f", hoverformat: ".2f" } }[chosen.x];
    return {
      font: { family: "system-ui, sans-serif", size: 13, color: "#1b1b1b" },
      margin: { l: 64, r: 16, t: 40, b: 52 }, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
      xaxis: { ...plain, ...range, title: { text: AXES[chosen.x] } },
      yaxis: { ...plain, title: { text: `loss [${text(data.unit)}]` } },
      shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: "#777777", width: 1, dash: "dash" }, layer: "below" }],
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 1, xanchor: "right" }, showlegend: true,
      hoverlabel: { align: "left", bgcolor: "#ffffff", bordercolor: "#444444", font: { color: "#1b1b1b" } }, hovermode: "closest",
    };
  }

  // Without buttons of its own, which no keyboard reaches: drag zooms, a double click shows all again.
  const SETTINGS = { responsive: true, displayModeBar: false };

  function draw() {
    const chosen = choice();
    field("bin").disabled = chosen.x === "flux";
    const { found, drawn } = traces(chosen);
    const lines = chosen.model && found.length ? curves(chosen, found) : [];
    Plotly.react(figure, [...lines, ...drawn], layout(chosen), SETTINGS);
    const said = found.length ? `${found.length} points of ${unique(found.map((point) => point.pair)).length} pairs` : "No measurement of this choice.";
    document.getElementById("found").textContent = said;
    document.getElementById("shown").textContent = title(chosen);
    figure.setAttribute("aria-label", `Loss against ${chosen.x}: ${title(chosen)}. ${said} The table below has the same numbers.`);
    showPrint(chosen);
    if (document.getElementById("points").open) list(found);
    writeAddress(chosen);
  }

  /* The picture for print that shows the same set. */
  function showPrint(chosen) {
    const link = document.getElementById("print");
    const level = chosen.levels[0];
    const kind = { date: "cte_time", flux: "cte_logflux", background: "cte_background" }[chosen.x];
    const of = window.ctePictures.find((one) => one.kind === kind && one.aperture === Number(chosen.aperture)
      && one.filter === chosen.filter && one.length === chosen.length && one.ctecorr === chosen.ctecorr
      && (one.target === null || one.target === chosen.target) && (one.flashlvl === null || one.flashlvl === level));
    link.hidden = !of;
    if (of) {
      link.querySelector("img").src = of.png;
      link.querySelector("img").alt = `${of.alt}`;
      link.querySelector("a.png").href = of.png;
      link.querySelector("a.pdf").href = of.png.replace(/\.png$/, ".pdf");
      link.querySelector("figcaption span").textContent = of.alt;
    }
  }

  function list(found) {
    const rows = found.slice().sort((a, b) => b.pair.mjd - a.pair.mjd).map((point) => {
      const row = document.createElement("tr");
      const cells = [year(point.pair.mjd).toFixed(2), null, binName(point.bin), flashName(point.level), point.n,
        `${fixed(point.loss, 4)} ± ${fixed(point.err, 4)}`];
      row.append(...cells.map((value) => {
        const cell = document.createElement("td");
        cell.textContent = value ?? "";
        return cell;
      }));
      const name = point.pair.images.join(" / ");
      const link = point.pair.page ? Object.assign(document.createElement("a"), { href: point.pair.page }) : document.createElement("span");
      link.textContent = name;
      row.children[1].append(link);
      return row;
    });
    document.querySelector("#points tbody").replaceChildren(...rows);
  }

  fillForm();
  readAddress();
  draw();
  form.addEventListener("input", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("points").addEventListener("toggle", draw);
  window.addEventListener("hashchange", () => { readAddress(); draw(); });
  figure.on("plotly_click", (event) => {
    const page = event.points[0] && event.points[0].customdata;
    if (page) location.href = page;
  });
})();
