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
    ["#000000", "triangle-down"], ["#E69F00", "cross"], ["#56B4E9", "star"], ["#777777", "hexagon"], ["#7A4B9A", "x"]];
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const DASH_NAMES = { dash: "dashed", dot: "dotted", dashdot: "dash-dotted", longdash: "long dashes", longdashdot: "long dashes and dots" };
  const FEWEST_STARS = 10;
  const CURVE_POINTS = 60;
  // Epochs whose lines can still be told apart, fewer where each has a line for many post-flash levels.
  const MOST_EPOCHS = 6;
  const MOST_LINES = 12;
  const FLUX_TICKS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const LENGTHS = { s: "short", l: "long" };
  const AXES = { date: "date [year]", flux: "flux of the star [e⁻]", background: "background [e⁻/px]" };

  const form = document.getElementById("choice");
  const field = (name) => form.elements.namedItem(name); // "length" alone would be their number
  const { year, unique, ascending, nearest, spread } = epochs;
  const targetName = (target) => target.replace(/([a-z]+)(\d+)/g, (_, word, number) => `${word.toUpperCase()} ${number}`);
  const text = (value) => String(value).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const fixed = (value, digits) => value.toFixed(digits).replace("-", "−");
  const levels = ascending(data.sets.map((set) => set.flashlvl));
  // Of a finger: what a mouse shows when it points is then told below the figure, before the page of the pair opens.
  const cannotPoint = () => window.matchMedia("(hover: none)").matches;
  const flashName = (level) => (level ? `flash ${level} e⁻/px` : "no flash");
  const binName = (bin) => `${bin.lo}–${bin.hi} e⁻`;
  const epochsOf = (points) => ascending(points.map((point) => point.pair.epoch));

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
    const boxes = document.getElementById("levels");
    boxes.replaceChildren(...levels.map((level) => {
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "flashlvl", value: level, checked: true });
      label.append(box, ` ${flashName(level)}`);
      return label;
    }));
  }

  /* Offer the epochs that the chosen sets have. What was chosen becomes the nearest of them; all of them stay all. */
  function fillEpochs() {
    const chosen = choice();
    const offered = ascending(data.pairs.filter((pair) => isOfSet(data.sets[pair.set], chosen)).map((pair) => pair.epoch));
    const before = [...field("first").options].map((option) => Number(option.value));
    if (!offered.length || String(offered) === String(before)) return;
    for (const [name, end] of [["first", 0], ["last", -1]]) {
      const kept = Number(field(name).value);
      fill(name, offered.map((epoch) => [epoch, year(epoch).toFixed(2)]));
      field(name).value = before.length && kept !== before.at(end) ? nearest(offered, kept) : offered.at(end);
    }
  }

  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const name of ["x", "target", "filter", "length", "ctecorr", "aperture", "bin"]) {
      const options = [...field(name).options].map((option) => option.value);
      if (options.includes(asked.get(name))) field(name).value = asked.get(name);
    }
    fillEpochs();
    for (const name of ["first", "last"]) {
      // The mean date of an epoch moves with every pair that it gets: an address of before means the nearest.
      const offered = [...field(name).options].map((option) => Number(option.value));
      if (offered.length && asked.get(name) > 0) field(name).value = nearest(offered, Number(asked.get(name)));
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
      `${point.n} ${point.n === 1 ? "star" : "stars"}`,
      `loss ${fixed(point.loss, 4)} ± ${fixed(point.err, 4)} ${unit}`].join("<br>");
  }

  function traces(chosen, found) {
    const shown = epochsOf(found);
    return chosen.levels.map((level) => {
      const of = found.filter((point) => point.level === level);
      const [color, symbol] = LOOKS[levels.indexOf(level) % LOOKS.length];
      const byEpoch = chosen.x !== "date";
      return {
        type: "scatter", mode: "markers", name: flashName(level),
        x: of.map((point) => across(point, chosen)), y: of.map((point) => point.loss),
        error_y: { type: "data", array: of.map((point) => point.err), color: byEpoch ? "#777777" : color, thickness: 1.2, width: 2 },
        marker: byEpoch
          ? { symbol, size: 8, color: of.map((point) => epochs.color(point.pair.epoch, shown)), line: { color: "#333333", width: 0.8 } }
          : { symbol, size: 8, color },
        customdata: of, text: of.map(says),
        ...(cannotPoint() ? { hoverinfo: "none" } : { hovertemplate: "%{text}<extra></extra>" }),
      };
    }).filter((trace) => trace.x.length);
  }

  /* A point that is nowhere, for the sake of the colour axis: Plotly complains of numbers for colours in a legend. */
  function colorBar(chosen, found) {
    if (chosen.x === "date" || !found.length) return [];
    return [{ type: "scatter", mode: "markers", x: [null], y: [null], showlegend: false, marker: { color: [0], coloraxis: "coloraxis" } }];
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
      line: { width: 1.8, ...look },
    };
  }

  /* The lines of the model: { level, epoch, trace }; against the date they are of no epoch. */
  function curves(chosen, found) {
    if (!chosen.model || !found.length) return [];
    if (chosen.x === "date") return chosen.levels.flatMap((level) => alongDates(chosen, level, found));
    const shown = epochsOf(found);
    if (chosen.x === "background") {
      const set = coefficientsOf(chosen, null);
      const f = median(found.map((point) => point.logflux));
      return spread(set ? shown : [], MOST_EPOCHS).map((epoch) => {
        const roots = between(...set.background_range.map((value) => Math.sqrt(Math.max(value, 0))));
        return { epoch, trace: curve(set, roots.map((root) => [root ** 2, epoch, f, root ** 2]), { color: epochs.color(epoch, shown) }) };
      });
    }
    const most = Math.max(2, Math.min(MOST_EPOCHS, Math.floor(MOST_LINES / chosen.levels.length)));
    return chosen.levels.flatMap((level) => alongFlux(chosen, level, found, shown, spread(shown, most)));
  }

  function alongDates(chosen, level, found) {
    const of = found.filter((point) => point.level === level);
    const set = coefficientsOf(chosen, level);
    if (!set || !of.length) return [];
    const f = median(of.map((point) => point.logflux));
    const dates = between(Math.min(...of.map((point) => point.pair.mjd)), Math.max(...of.map((point) => point.pair.mjd)));
    return [{ level, trace: curve(set, dates.map((mjd) => [year(mjd), mjd, f]), { color: LOOKS[levels.indexOf(level) % LOOKS.length][0] }) }];
  }

  /* A line for those of some epochs at which a level was measured, or for its last one. */
  function alongFlux(chosen, level, found, shown, some) {
    const set = coefficientsOf(chosen, level);
    const own = epochsOf(found.filter((point) => point.level === level));
    if (!set || !own.length) return [];
    const among = some.filter((epoch) => own.includes(epoch));
    const dash = DASHES[levels.indexOf(level) % DASHES.length];
    return (among.length ? among : own.slice(-1)).map((epoch) => ({
      level, epoch, trace: curve(set, between(...set.f_range).map((f) => [10 ** f, epoch, f]), { color: epochs.color(epoch, shown), dash }),
    }));
  }

  /* What the lines are, in a sentence with their colours. */
  function explain(chosen, found, lines) {
    const said = document.getElementById("lines");
    if (!lines.length) {
      said.textContent = chosen.model && found.length ? "No line: no coefficients are published for this choice." : "";
      return;
    }
    const of = { date: " at the median flux of the bin", flux: "", background: " of all post-flash levels at the median flux of the bin" }[chosen.x];
    said.textContent = `Lines: the published coefficients${of}`;
    if (chosen.x !== "date") {
      const drawn = ascending(lines.map((line) => line.epoch));
      const shown = epochsOf(found);
      said.append(drawn.length < shown.length ? `, for ${drawn.length} of the ${shown.length} epochs: ` : ", for the epochs ");
      drawn.forEach((epoch, k) => {
        const swatch = Object.assign(document.createElement("span"), { className: "swatch", textContent: year(epoch).toFixed(2) });
        swatch.style.setProperty("--swatch", epochs.color(epoch, shown));
        said.append(k ? ", " : "", swatch);
      });
    }
    const drawn = chosen.x === "flux" ? ascending(lines.map((line) => line.level)) : [];
    const dashes = drawn.map((level) => `${DASH_NAMES[DASHES[levels.indexOf(level) % DASHES.length]] || "solid"}: ${flashName(level)}`);
    said.append(dashes.length ? `; ${dashes.join(", ")}.` : ".");
  }

  /* ---- The figure ---- */

  function title(chosen) {
    const parts = [targetName(chosen.target), chosen.filter, LENGTHS[chosen.length], chosen.ctecorr ? "FLC" : "FLT", `r = ${chosen.aperture} px`];
    if (chosen.x !== "flux") parts.push(binName(data.bins[chosen.bin]));
    return parts.join(", ");
  }

  /* Visits of one epoch alone get an axis of a year: within an hour all its ticks would read the same. */
  function datesShown(found) {
    const years = found.map((point) => year(point.pair.mjd));
    const [first, last] = [Math.min(...years), Math.max(...years)];
    return last - first < 1 ? { range: [(first + last) / 2 - 0.6, (first + last) / 2 + 0.6] } : {};
  }

  function layout(chosen, found) {
    const plain = { zeroline: false, showline: true, mirror: true, ticks: "inside", gridcolor: "#e6e6e6", linecolor: "#444444" };
    const range = {
      flux: { type: "log", tickmode: "array", tickvals: FLUX_TICKS, ticktext: FLUX_TICKS.map(String) },
      background: { rangemode: "tozero" },
      date: found.length ? datesShown(found) : {},
    }[chosen.x];
    return {
      separators: ".", // no comma in a year
      font: { family: "system-ui, sans-serif", size: 13, color: "#1b1b1b" },
      margin: { l: 64, r: 16, t: 40, b: 52 }, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
      xaxis: { ...plain, ...range, title: { text: AXES[chosen.x] } },
      yaxis: { ...plain, title: { text: `loss [${text(data.unit)}]` } },
      ...(chosen.x !== "date" && found.length ? { coloraxis: epochs.axis(epochsOf(found)) } : {}),
      shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: "#777777", width: 1, dash: "dash" }, layer: "below" }],
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 1, xanchor: "right" }, showlegend: true,
      hoverlabel: { align: "left", bgcolor: "#ffffff", bordercolor: "#444444", font: { color: "#1b1b1b" } }, hovermode: "closest",
    };
  }

  // Without buttons of its own, which no keyboard reaches: drag zooms, a double click shows all again.
  const SETTINGS = { responsive: true, displayModeBar: false };

  function draw() {
    fillEpochs();
    const chosen = choice();
    field("bin").disabled = chosen.x === "flux";
    const found = points(chosen);
    const lines = curves(chosen, found);
    Plotly.react(figure, [...lines.map((line) => line.trace), ...traces(chosen, found), ...colorBar(chosen, found)], layout(chosen, found), SETTINGS);
    explain(chosen, found, lines);
    document.getElementById("told").replaceChildren();
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
      link.querySelectorAll("a.png").forEach((one) => { one.href = of.png; });
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

  function tell(point) {
    const told = document.getElementById("told");
    told.innerHTML = says(point);
    const link = Object.assign(document.createElement("a"), { href: point.pair.page, textContent: "The page of this pair" });
    if (point.pair.page) told.append(document.createElement("br"), link);
  }

  fillForm();
  readAddress();
  draw();
  form.addEventListener("input", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("points").addEventListener("toggle", draw);
  window.addEventListener("hashchange", () => { readAddress(); draw(); });
  figure.on("plotly_click", (event) => {
    const point = event.points[0] && event.points[0].customdata;
    if (!point) return;
    if (cannotPoint()) tell(point);
    else if (point.pair.page) location.href = point.pair.page;
  });
})();
