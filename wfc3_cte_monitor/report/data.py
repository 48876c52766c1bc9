"""What the scripts of the page work with: losses and coefficients as plain numbers."""

import json

import numpy as np

from wfc3_cte_monitor.records import BackgroundSurface

__all__ = ["explorer_data", "coefficient_data", "script_text", "read_script"]

_DIGITS = 6


def explorer_data(tables, pages, bins, finest):
    """The losses of all pairs, as the explorer draws them.

    Parameters
    ----------
    tables : list of `astropy.table.Table`
        One per set and aperture, with a row per pair and flux bin, as `pipeline.losses.losses_of` makes them.
    pages : dict
        Set (`records.ExposureSet`) -> name of its page; (name of the first image, of the second) -> that of a pair.
    bins : sequence of `records.FluxBin`
    finest : sequence of `records.FluxBin`
        Those of the bins that do not overlap.

    Returns
    -------
    data : dict
        unit; bins; apertures; sets; pairs (set, images, mjd, epoch, background, page); and values: aperture ->
        'loss', 'err', 'n', 'logflux' -> a list per pair of a number per bin, None where there is none.
    """
    sets, numbers, pairs, values = {}, {}, [], {}
    place = {(b.lo, b.hi): k for k, b in enumerate(bins)}
    for table in tables:
        aperture = f"{table.meta['aperture']:g}"
        columns = values.setdefault(aperture, {name: {} for name in _VALUES})
        of_set = sets.setdefault(_set_key(table.meta), len(sets))
        for row in table:
            images = row["imagename_1"], row["imagename_2"]
            if images not in numbers:
                numbers[images] = len(pairs)
                pairs.append(_pair(row, of_set, pages.get(images)))
            for name, column in _VALUES.items():
                of_pair = columns[name].setdefault(numbers[images], [None] * len(bins))
                of_pair[place[row["lo"], row["hi"]]] = _number(row[column])
    nothing = [None] * len(bins)
    return {
        "unit": tables[0].meta["loss_unit"] if tables else "",
        "bins": [{"lo": b.lo, "hi": b.hi, "finest": b in finest} for b in bins],
        "apertures": [float(aperture) for aperture in values],
        "sets": [dict(key) for key in sets],
        "pairs": pairs,
        "values": {
            aperture: {name: [of_pair.get(k, nothing) for k in range(len(pairs))] for name, of_pair in columns.items()}
            for aperture, columns in values.items()
        },
    }


_VALUES = {"loss": "loss", "err": "loss_err", "n": "n_points", "logflux": "logflux"}
_SET = ("target", "filter", "length", "flashlvl", "ctecorr")


def _set_key(meta):
    return tuple((name, meta[name]) for name in _SET)


def _pair(row, of_set, page):
    return {
        "set": of_set,
        "images": [str(row["imagename_1"]), str(row["imagename_2"])],
        "mjd": round(float(row["mjd"]), 3),
        "epoch": round(float(row["epoch"]), 3),
        "background": _number(row["background"]),
        "page": page,
    }


def _number(value):
    """Shortened to what a figure shows; None where it is no finite number, which JSON does not have."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def coefficient_data(coefficients):
    """A set of coefficients, all its digits, as the calculator uses it.

    Parameters
    ----------
    coefficients : `records.Coefficients`

    Returns
    -------
    data : dict
        What the set is of; powers i, j, k of each term with its value; the covariance of the terms; ranges; scatter.
    """
    surface = coefficients.surface
    tensor = surface.coefficients.reshape(3, 3, -1)
    terms = np.argwhere((tensor != 0) | (np.diag(surface.covariance).reshape(tensor.shape) > 0))
    flat = np.ravel_multi_index(terms.T, tensor.shape)
    of_all = isinstance(surface, BackgroundSurface)
    return {
        **{name: getattr(coefficients, name) for name in (*_SET, "aperture", "source")},
        "background": None if of_all else coefficients.background,
        "epoch_mjd": coefficients.epoch_mjd,
        "unit": surface.unit,
        "terms": terms.tolist(),
        "values": tensor.ravel()[flat].tolist(),
        "covariance": surface.covariance[np.ix_(flat, flat)].tolist(),
        "d_range": list(surface.d_range),
        "f_range": list(surface.f_range),
        "scatter": surface.scatter,
        **({name: getattr(surface, name) for name in ("form", "offset", "background_range")} if of_all else {}),
    }


def script_text(name, value):
    """A script that gives a value to a page: a page from a file may not fetch other files, but load scripts.

    Parameters
    ----------
    name : str
        Of the property of `window`.
    value : object
        Of what JSON has.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.{name} = {text};\n"


def read_script(text):
    """The value in a text of `script_text`; None where it is something else."""
    try:
        return json.loads(text.partition(" = ")[2].rstrip().removesuffix(";"))
    except ValueError:
        return None
