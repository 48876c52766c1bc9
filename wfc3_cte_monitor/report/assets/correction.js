/* The loss of charge transfer from published coefficients: the formulas of correct_photometry in Python, which
 * tests hold it to. Dates are MJD, fluxes e-, backgrounds e-/px, losses mag. */
"use strict";

const cte = (() => {
  const ROWS = 2051;
  const MJD_ZERO = 55400;
  const IN_SPACE = [54965, 70000];
  const SATURATED = 370000;
  const LIKE_BACKGROUND = 1.4;
  const LEAST_BACKGROUND = 0.01;
  const DATE_MARGIN = 30;

  const clip = (value, [low, high]) => Math.min(Math.max(value, low), high);

  function backgroundTerm(set, background) {
    if (set.form === undefined) return 1;
    const total = Math.max(clip(background, set.background_range), 0) + set.offset;
    return set.form === "log" ? Math.log10(total) : set.offset / total;
  }

  /* Coefficients of the powers 0, 1, 2 of f. */
  function ofFlux(set, d, background) {
    const g = backgroundTerm(set, background);
    const sum = [0, 0, 0];
    set.terms.forEach(([i, j, k], n) => {
      sum[j] += set.values[n] * d ** i * g ** k;
    });
    return sum;
  }

  function variance(set, d, f, background) {
    const g = backgroundTerm(set, background);
    const row = set.terms.map(([i, j, k]) => d ** i * f ** j * g ** k);
    let sum = 0;
    set.covariance.forEach((line, a) => line.forEach((value, b) => { sum += row[a] * value * row[b]; }));
    return Math.max(sum, 0);
  }

  /* The loss of the whole chip for log flux f, and its standard error without the scatter of epochs. */
  function surface(set, mjd, f, background = NaN) {
    const d = mjd - MJD_ZERO;
    const [a, b, c] = ofFlux(set, d, background);
    return { loss: a + f * (b + f * c), err: Math.sqrt(variance(set, d, f, background)) };
  }

  /* How much each known background counts at the wanted one. */
  function shares(levels, background) {
    if (levels.length === 1) return [1];
    const logs = levels.map(Math.log);
    const at = Math.log(clip(background, [levels[0], levels[levels.length - 1]]));
    const next = Math.max(1, logs.findIndex((value) => value >= at));
    const step = logs[next] - logs[next - 1];
    const part = step > 0 ? (at - logs[next - 1]) / step : 1;
    return levels.map((_, k) => (k === next ? part : k === next - 1 ? 1 - part : 0));
  }

  function commonRange(sets, counts, name) {
    const used = sets.filter((_, k) => counts[k] !== 0).map((set) => set[name]);
    return [Math.max(...used.map((range) => range[0])), Math.min(...used.map((range) => range[1]))];
  }

  /* The sets that a correction uses: the one of all flash levels, or those of single levels by their background. */
  function chosen(sets) {
    const ofAll = sets.filter((set) => set.flashlvl === null);
    return ofAll.length ? ofAll.slice(0, 1) : [...sets].sort((one, two) => one.background - two.background);
  }

  /* Correction, its standard error, and flags in words, of one star: { flux, rows, mjd, background }.
   * The sets are those of one cluster, filter, exposure length, calibration and aperture. */
  function correct(sets, star) {
    const used = chosen(sets);
    const levels = (used[0].flashlvl === null ? used[0].background_range : used.map((set) => set.background))
      .map((level) => Math.max(level, LEAST_BACKGROUND));
    const known = used.length === 1 ? [levels[0]] : levels;
    const counts = shares(known, star.background);
    const d = star.mjd - MJD_ZERO;
    const part = clip(star.rows, [0.5, ROWS + 0.5]) / ROWS;
    const f = star.flux > 0 ? Math.log10(star.flux) : NaN;
    const [p0, p1, p2] = used.map((set) => ofFlux(set, d, star.background))
      .reduce((sum, one, k) => sum.map((value, n) => value + counts[k] * one[n]), [0, 0, 0]);
    const fRange = commonRange(used, counts, "f_range");
    const gain = 0.4 * (part - 0.5);
    const [a, b, c] = [gain * p2, gain * p1 - 1, gain * p0 + f];
    let fMid = (-2 * c) / (b - Math.sqrt(Math.max(b * b - 4 * a * c, 0)));
    const fUsed = clip(fMid, fRange);
    const outside = fUsed !== fMid;
    const loss = p0 + fUsed * (p1 + fUsed * p2);
    if (outside) fMid = f + gain * loss;
    const response = 1 / (1 - (outside ? 0 : gain * (p1 + 2 * fUsed * p2)));
    const squared = used.reduce((sum, set, k) =>
      sum + counts[k] ** 2 * (variance(set, d, fUsed, star.background) + set.scatter ** 2), 0);
    let correction = loss * part;
    let error = Math.sqrt(squared) * Math.abs(response * part);

    const flags = [];
    const finite = Number.isFinite(correction) && Number.isFinite(error);
    const onChip = star.rows > 0.5 && star.rows < ROWS + 0.5;
    const dRange = commonRange(used, counts, "d_range");
    if (d < dRange[0] - DATE_MARGIN || d > dRange[1] + DATE_MARGIN) flags.push("DATE");
    if (fMid < fRange[0] || fMid > fRange[1]) flags.push("FLUX");
    const [low, high] = [levels[0], levels[levels.length - 1]];
    if (star.background < Math.min(low / LIKE_BACKGROUND, low - 1)
      || star.background > Math.max(high * LIKE_BACKGROUND, high + 1)) flags.push("BACKGROUND");
    if (star.flux > SATURATED) flags.push("SATURATED");
    if (Number.isFinite(star.rows) && !onChip) flags.push("OFF_CHIP");
    if (!finite) flags.push("NOT_FINITE");
    if (!(finite && onChip && star.mjd >= IN_SPACE[0] && star.mjd <= IN_SPACE[1])) correction = error = NaN;
    return { correction, error, flags };
  }

  /* The sets that have a say at a background. */
  function used(sets, background) {
    const known = chosen(sets);
    if (known.length === 1 || !Number.isFinite(background)) return known;
    const counts = shares(known.map((set) => Math.max(set.background, LEAST_BACKGROUND)), background);
    return known.filter((_, k) => counts[k] !== 0);
  }

  return { ROWS, MJD_ZERO, surface, correct, used };
})();
