"""Names of folders and files of the output tree."""

__all__ = [
    "flash_folder",
    "set_folder",
    "exposure_stem",
    "pair_stem",
    "cte_time_name",
    "set_name",
    "levels_name",
    "same_chip_name",
]


def flash_folder(flashlvl, ctecorr):
    """'pf12' for FLT, 'pf12_ctecorr' for FLC; 'pfall' for what is of all levels, None."""
    level = "all" if flashlvl is None else f"{flashlvl:g}"
    return f"pf{level}{'_ctecorr' if ctecorr else ''}"


def set_folder(exposure_set):
    """'ngc104_F502N_l'."""
    return f"{exposure_set.target}_{exposure_set.filter}_{exposure_set.length}"


def exposure_stem(exposure):
    """'iabc01xyq_flt': the name of an exposure's .coo, .mag and .png."""
    return exposure.imagename.removesuffix(".fits")


def pair_stem(pair, aperture):
    """'iabc01xyq_iabc01xzq_r3_slopes'; with '_ch1' or '_ch2' behind it where both are on the same chip."""
    chip = f"_ch{pair.two.chip}" if pair.same_chip else ""
    return f"{pair.one.rootname}_{pair.two.rootname}_r{aperture:g}_slopes{chip}"


def cte_time_name(filter_name, length, flashlvl, ctecorr, aperture):
    """'cteVStime_F502N_l_pf12_ctecorrFalse_r3'."""
    return f"cteVStime_{filter_name}_{length}_pf{flashlvl:g}_ctecorr{ctecorr}_r{aperture:g}"


def set_name(kind, exposure_set, aperture):
    """'cteVSlogflux_ngc104_F502N_l_pf12_ctecorrFalse_r3' of the kind 'cteVSlogflux'."""
    s = exposure_set
    return f"{kind}_{s.target}_{s.filter}_{s.length}_pf{s.flashlvl:g}_ctecorr{s.ctecorr}_r{aperture:g}"


def levels_name(kind, target, filter_name, length, ctecorr, aperture):
    """'cteVSflashlvl_ngc104_F502N_l_ctecorrFalse_r3' of the kind 'cteVSflashlvl': of all post-flash levels."""
    return f"{kind}_{target}_{filter_name}_{length}_ctecorr{ctecorr}_r{aperture:g}"


def same_chip_name(against, exposure_set, aperture, chip=None):
    """'180cteVSexpt_ngc6583_F502N_pf0_ctecorrFalse_r3_ch1'; without a chip what shows both.

    Parameters
    ----------
    against : str
        'expt' or 'logflux'; the latter is of one exposure length.
    exposure_set : `records.ExposureSet`
    aperture : float
    chip : int, optional
    """
    s = exposure_set
    length = f"_{s.length}" if against == "logflux" else ""
    of_chip = f"_ch{chip}" if chip else ""
    return f"180cteVS{against}_{s.target}_{s.filter}{length}_pf{s.flashlvl:g}_ctecorr{s.ctecorr}_r{aperture:g}{of_chip}"
