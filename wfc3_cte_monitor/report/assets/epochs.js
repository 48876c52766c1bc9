/* Epochs [MJD]: their years, their colours, and some of many. */
"use strict";

const epochs = (() => {
  const DAYS_OF_YEAR = 365.25;
  // The dark two thirds of viridis, much as in the figures for print: lines of its yellow end are not seen on white.
  const COLORS = ["#440154", "#472e7c", "#3a548c", "#2b758e", "#1f958b", "#2fb47c"];

  const year = (mjd) => 2000 + (mjd - 51544.5) / DAYS_OF_YEAR;
  const unique = (values) => [...new Set(values)];
  const ascending = (values) => unique(values).sort((a, b) => a - b);
  const nearest = (values, wanted) => values.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));

  /* At most so many of them, spread evenly, the first and the last always among them. */
  function spread(values, most) {
    if (values.length <= most) return values;
    return Array.from({ length: most }, (_, k) => values[Math.round((k * (values.length - 1)) / (most - 1))]);
  }

  /* What the scale of those that are shown, in order, spans: never less than a year. */
  function span(shown) {
    return [shown[0], Math.max(shown.at(-1), shown[0] + DAYS_OF_YEAR)];
  }

  /* The colour of an epoch, as Plotly takes it from the scale. */
  function color(epoch, shown) {
    const [first, last] = span(shown);
    const place = ((epoch - first) / (last - first)) * (COLORS.length - 1);
    const below = Math.min(Math.floor(place), COLORS.length - 2);
    const [one, two] = COLORS.slice(below, below + 2).map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    return `rgb(${one.map((value, k) => Math.round(value + (place - below) * (two[k] - value))).join(", ")})`;
  }

  /* Plotly's colour axis, in years. */
  function axis(shown) {
    const [cmin, cmax] = span(shown).map(year);
    const colorscale = COLORS.map((hex, k) => [k / (COLORS.length - 1), hex]);
    return { colorscale, cmin, cmax, colorbar: { title: { text: "epoch" }, thickness: 12, outlinewidth: 0 } };
  }

  return { year, unique, ascending, nearest, spread, color, axis };
})();
