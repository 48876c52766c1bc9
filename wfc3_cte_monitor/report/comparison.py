"""What has changed since the report of the run before."""

__all__ = ["compare_reports"]

_SET = ("target", "filter", "length", "flashlvl", "ctecorr")
_REFERENCE = 3.0
"""log10 of the flux that coefficients are compared at."""


def compare_reports(before, now, coefficients_before, coefficients_now, aperture):
    """Compare the numbers of two reports.

    Parameters
    ----------
    before, now : dict
        As `explorer_data` makes them.
    coefficients_before, coefficients_now : list of dict
        As `coefficient_data` makes them.
    aperture : float
        Of the coefficients to compare.

    Returns
    -------
    rows : list of dict
        A row per set in which something changed: the set; new, gone and changed pairs; largest change of a loss, of all
        apertures and bins, in the unit of the losses and in standard errors; the loss by the coefficients before and
        now, at the last epoch of now for 1000 e-. None where there is no such number.
    """
    old, new = _losses(before), _losses(now)
    models = [
        {_key(one): one for one in all_of if one["aperture"] == aperture and one["flashlvl"] is not None}
        for all_of in (coefficients_before, coefficients_now)
    ]
    rows = []
    for key in sorted({*old, *new}, key=str):
        row = _row(old.get(key, {}), new.get(key, {})) | _of_models(*(of.get(key) for of in models))
        if row["new"] or row["gone"] or row["changed"] or row["before"] != row["now"]:
            rows.append({"set": dict(zip(_SET, key, strict=True)), **row})
    return rows


def _key(one):
    return tuple(one[name] for name in _SET)


def _losses(data):
    """Set -> images -> (aperture, bin) -> (loss, error)."""
    found = {}
    bins = [(one["lo"], one["hi"]) for one in data["bins"]]
    for number, pair in enumerate(data["pairs"]):
        of_pair = found.setdefault(_key(data["sets"][pair["set"]]), {}).setdefault(tuple(pair["images"]), {})
        for aperture, values in data["values"].items():
            numbers = zip(bins, values["loss"][number], values["err"][number], strict=True)
            of_pair |= {(float(aperture), *edges): (loss, err) for edges, loss, err in numbers}
    return found


def _row(old, new):
    changes = {images: _changes(old[images], new[images]) for images in old.keys() & new.keys()}
    every = [change for of_pair in changes.values() for change in of_pair]
    largest, error = max(every, key=lambda change: abs(change[0]), default=(None, None))
    return {
        "new": len(new.keys() - old.keys()),
        "gone": len(old.keys() - new.keys()),
        "changed": sum(bool(of_pair) for of_pair in changes.values()),
        "largest": largest,
        "sigma": largest / error if error else None,
    }


def _changes(old, new):
    """(change of the loss, its error now) in the bins that both have."""
    return [
        (new[place][0] - old[place][0], new[place][1])
        for place in old.keys() & new.keys()
        if None not in (old[place][0], new[place][0]) and old[place] != new[place]
    ]


def _of_models(before, now):
    """The losses that two sets of coefficients give at the same date and flux."""
    d = (now or before or {"d_range": (0, 0)})["d_range"][1]
    return {"before": before and _value(before, d), "now": now and _value(now, d)}


def _value(model, d):
    return sum(value * d**i * _REFERENCE**j for (i, j, _), value in zip(model["terms"], model["values"], strict=True))
