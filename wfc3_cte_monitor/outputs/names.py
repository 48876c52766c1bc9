"""Names of folders and files of the output tree."""

__all__ = ["flash_folder", "set_folder", "exposure_stem", "pair_stem", "cte_time_name", "cte_logflux_name"]


def flash_folder(flashlvl, ctecorr):
    """'pf12' for FLT, 'pf12_ctecorr' for FLC."""
    return f"pf{flashlvl:g}{'_ctecorr' if ctecorr else ''}"


def set_folder(exposure_set):
    """'ngc104_F502N_l'."""
    return f"{exposure_set.target}_{exposure_set.filter}_{exposure_set.length}"


def exposure_stem(exposure):
    """'iabc01xyq_flt': the name of an exposure's .coo, .mag and .png."""
    return exposure.imagename.removesuffix(".fits")


def pair_stem(pair, aperture):
    """'iabc01xyq_iabc01xzq_r3_slopes'."""
    return f"{pair.one.rootname}_{pair.two.rootname}_r{aperture:g}_slopes"


def cte_time_name(filter_name, length, flashlvl, ctecorr, aperture):
    """'cteVStime_F502N_l_pf12_ctecorrFalse_r3'."""
    return f"cteVStime_{filter_name}_{length}_pf{flashlvl:g}_ctecorr{ctecorr}_r{aperture:g}"


def cte_logflux_name(target, filter_name, length, flashlvl, ctecorr, aperture):
    """'cteVSlogflux_ngc104_F502N_l_pf12_ctecorrFalse_r3'."""
    return f"cteVSlogflux_{target}_{filter_name}_{length}_pf{flashlvl:g}_ctecorr{ctecorr}_r{aperture:g}"
