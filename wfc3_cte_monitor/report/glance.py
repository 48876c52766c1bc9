"""Has the loss moved since the last epoch? The numbers, with their errors."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Movement", "movements"]

_ARROW_SIGMA = 2.0
"""An arrow is drawn for a change of more than so many standard errors."""
_SURPRISE_SIGMA = 3.0
_CONSTRAINED = 0.3
"""An expected loss with a larger error, of the whole light or a magnitude, says nothing."""


@dataclass(frozen=True)
class Movement:
    """The loss of a set in one flux bin at its last epoch, against the epoch before and what was expected.

    Losses in the unit of their table; errors are standard errors; NaN where there is no such number.
    """

    lo: float
    """The bin [e-]."""
    hi: float
    epoch: float
    """Mean date of the last epoch [MJD]."""
    before: float
    """That of the epoch before; NaN where there is none."""
    loss: float
    loss_err: float
    change: float
    """Since the epoch before."""
    change_err: float
    expected: float
    """The loss at the last epoch by the coefficients of the data until the epoch before."""
    expected_err: float
    """With the scatter of epochs about them."""

    @property
    def arrow(self):
        """'up', 'down' or 'same'; None where there is no epoch before, or no error to tell by."""
        if not np.isfinite(self.change_err) or not np.isfinite(self.change):
            return None
        if abs(self.change) <= _ARROW_SIGMA * self.change_err:
            return "same"
        return "up" if self.change > 0 else "down"

    @property
    def is_constrained(self):
        """Whether the coefficients of before say what to expect."""
        return bool(self.expected_err <= _CONSTRAINED)

    @property
    def deviation(self):
        """Standard errors by which the loss is larger than expected."""
        return (self.loss - self.expected) / np.hypot(self.loss_err, self.expected_err)

    @property
    def is_surprise(self):
        """Whether it is not what the coefficients of before said, by three standard errors."""
        return bool(abs(self.deviation) > _SURPRISE_SIGMA)


def movements(losses, expected=None):
    """The movements of a set in each flux bin.

    Parameters
    ----------
    losses : `astropy.table.Table`
        A row per pair and flux bin, with columns epoch [MJD], lo, hi, logflux, loss and loss_err.
    expected : callable, optional
        (MJD, log10 of the flux) -> loss and its standard error, by the data until the epoch before the last.

    Returns
    -------
    movements : list of `Movement`
        In order of the bins; those without a loss at the last epoch are left out.
    """
    good = np.isfinite(losses["loss"]) & np.isfinite(losses["loss_err"]) & (np.asarray(losses["loss_err"]) > 0)
    losses = losses[good]
    epochs = np.unique(losses["epoch"])
    if not len(epochs):
        return []
    last, before = epochs[-1], epochs[-2] if len(epochs) > 1 else np.nan
    bins = sorted({(float(row["lo"]), float(row["hi"])) for row in losses[losses["epoch"] == last]})
    return [_movement(losses, lo, hi, float(last), float(before), expected) for lo, hi in bins]


def _movement(losses, lo, hi, last, before, expected):
    of_bin = losses[(losses["lo"] == lo) & (losses["hi"] == hi)]
    value, error, log_flux = _mean(of_bin[of_bin["epoch"] == last])
    value_before, error_before, _ = _mean(of_bin[of_bin["epoch"] == before])
    predicted, predicted_err = expected(last, log_flux) if expected else (np.nan, np.nan)
    return Movement(
        *(lo, hi, last, before, value, error),
        change=value - value_before,
        change_err=float(np.hypot(error, error_before)),
        expected=float(predicted),
        expected_err=float(predicted_err),
    )


def _mean(rows):
    """Weighted mean of the losses of an epoch, its standard error, and the mean log flux; NaN where there are none."""
    if not len(rows):
        return np.nan, np.nan, np.nan
    weights = np.asarray(rows["loss_err"], dtype=float) ** -2.0
    mean, log_flux = (float(np.average(rows[name], weights=weights)) for name in ("loss", "logflux"))
    return mean, float(np.sum(weights) ** -0.5), log_flux
