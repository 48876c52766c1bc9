"""Configuration of the WFC3/UVIS external CTE monitor.

Copy this file to ``config.py`` (do not commit the copy) and set the paths, or let
``uvis_external_cte initial_setup`` do both. It is found by ``--config``, then ``$UVIS_CTE_CONFIG``, then in the
working directory. It is executed, and so only when it belongs to you or to root and nobody else can write it or its
folder. Relative paths are relative to this file. What is legal for the pipeline to work on is said here; what to work
on now is said on the command line.
"""

# ---- Where things are ------------------------------------------------------------------------------------------------

# newdata/, <program>/, master_cat/final/ and PA_MAPS/ are in here.
path_to_data = "data"

# finalresults/, photom/, tempfiles/, tweakreg/ and logs/ are in here.
path_to_outputs = "outputs"

# The SQLite database is the file db_name in path_to_db ...
path_to_db = "database"
db_name = "uvis_external_cte.db"

# ... unless an SQLAlchemy URL is given, such as "postgresql+psycopg://monitor@localhost/uvis_cte".
db_url = None

# Figures are copied here after a run with --ao y, for display on a web site; None: nowhere.
path_to_automated_outputs = None

# ---- What is legal to work on ----------------------------------------------------------------------------------------

# In order of time: 'last' is the last of them that has data. Add the new program at the start of a cycle.
program_list = [11924, 12348, 12379, 12692, 13083, 13566, 14012, 14378, 14541]

# Post-flash levels [e-/px].
flashlvl_list = [0, 6, 12, 18, 24, 33, 55, 91, 116]

# Each has its own tables, <target>_master, _fileinfo, _phot and _results.
target_list = ["ngc104", "ngc6791", "ngc6583"]

filter_list = ["F502N", "F606W"]

# Visits that are left out, unless --visits-anyway asks for them: program -> visit -> reason.
forbidden_visits = {
    12379: {"07": "undithered", "13": "guide-star failure"},
    14012: {"05": "binned, a separate experiment"},
}

# The 180-degree ('same-chip') set, which only --pr 180 works on: program -> visits.
same_chip_visits = {12692: ["10", "11"]}

# ---- How it is measured ----------------------------------------------------------------------------------------------

# Flux bins, lo <= sqrt(F1 F2) < hi [e-]. They overlap on purpose.
fluxbins_lo = [250, 500, 500, 1000, 2000, 2000, 4000, 8000]
fluxbins_hi = [500, 1000, 2000, 2000, 4000, 8000, 8000, 32000]

# Radii of the apertures [px].
aprads = [3, 5, 10]

# Unit of the loss in figures, tables and coefficients: "mag" [mag per 2051 px] as in the newest reports, or
# "flux" [flux fraction per 2048 px].
loss_unit = "mag"

# ---- Optional: these are the defaults --------------------------------------------------------------------------------

# Inner and outer radius of the sky annulus [px].
sky_annulus = (12, 20)

# How far a star's centroid may lie from its catalogue position [px].
max_shift = 1.5

# Data-quality bits of pixels that spoil an aperture: Reed-Solomon error, fill, bad, deviant bias, bad reference, bad
# flat, charge trap. Hot (16) and warm (64) pixels are not among them: their dark is subtracted, and where 2 % of the
# pixels are hot, 80 % of the pairs of stars would go; add 16 where the dark is not to be trusted. Saturation
# (256, 2048) and cosmic rays (4096, 8192) are judged apart.
bad_dq_bits = 1 | 2 | 4 | 8 | 128 | 512 | 1024

# What `--dq NAME` takes in their place, to see what the masking does: each into a database and folders of its own.
dq_choices = {"none": 0, "bad": bad_dq_bits, "hot": bad_dq_bits | 16, "warm": bad_dq_bits | 16 | 64}

# Background up to which observers are told to post-flash [e-/px]; figures mark it. 12 in the monitor's guide, 20 in the
# instrument handbooks since 2020.
recommended_background = 12

# The archive that `uvis_external_cte retrieve` asks, such as "https://mast.stsci.edu"; None: astroquery's own.
mast_server = None

# Of how many runs the logs are kept, in outputs/logs; older ones go.
logs_kept = 500

# ---- Optional: what nominal runs leave out and the command line can ask for by name; these are the defaults ----------

# Each subset has a database, folders, titles and coefficients of its own. `--visits-anyway` is of forbidden_visits.

# `--chinject MODE`: exposures with this value of CHINJECT, as 12348 took them to test the modes.
chinject_modes = ["CONT", "LI10", "LI17", "LI25"]

# `--field NAME`: a field off the clusters, by its TARGNAME, with a master catalogue of its own, here
# data/master_cat/final/ngc104cal2_master.cat: copy it there, or make it from the field's exposures in data/<program> by
# `uvis_external_cte build_master_catalog --field cal2 --filter F502N`.
off_fields = {"cal2": "NGC-104-CAL2"}

# `--subdithers`, `--xdithers`: |POSTARG2|, |POSTARG1| above the first and below the second [arcsec].
subdithers = (0.1, 80.0)
xdithers = (0.1, 40.0)

# Part of a chip's field that both exposures of a dithered pair must have, one on either chip.
min_shared_field = 0.25

# ---- Optional: alignment and cosmic rays; these are the defaults -----------------------------------------------------

# TweakReg's parameters and those of its source finding, under TweakReg's own names, for a target, filter and exposure
# length; '*' stands for all, and what is more specific wins. With a tolerance of 1, TweakReg's default, it can give a
# wrong fit without a word; sparse short exposures need the separation.
tweakreg_parameters = {
    ("*", "*", "*"): {
        "searchrad": 1.0,  # [arcsec]
        "searchunits": "arcseconds",
        "tolerance": 3.0,  # [px]
        "separation": 5.0,  # [px]
        "threshold": 100.0,  # [sigma of the sky]
        "conv_width": 3.5,  # [px]
        "minobj": 5,
        "fitgeometry": "rscale",  # 'general' where the catalogue was made with an older distortion solution
        "nclip": 5,
        "sigma": 3.0,
    },
}

# What is changed, one after the other, where the limits below refuse a fit.
tweakreg_retries = [
    {"separation": 0.5, "tolerance": 2.0},
    {"separation": 3.0, "use_sharp_round": True},
    {"threshold": 20.0, "use_sharp_round": True},
]

# A fit must have this many matches and these largest values: rms of the fit, offset of the stars and their offset at
# the edge of the chips [px], shift [arcsec] and rotation [deg] against the header. What does not stays in newdata.
alignment_limits = {"matches": 10, "rms": 0.5, "offset": 0.2, "edge": 0.3, "shift": 2.0, "rotation": 0.2}

# What each program should hold, for 'uvis_external_cte check_newdata': program -> {where: lines}. Where: visits
# ("01 03"), or, where the visits are not known, months ("Mar 2011, Jun-Jul 2012": each of them must have it), or "*"
# (anywhere in the program). A line: one target, then as far as it should be checked filters, times (s, l, or seconds,
# which fit to 2 %), flash levels (pf12) and the number of pairs at both POSTARG2 (x2; without it one or more). A line
# asks for every combination of its words: "ngc104 F502N 30 350 pf0 pf12 x1" for four pairs. A list holds several lines.
# A new cycle, typed from its proposal: 15000: {"01 03": "ngc104 F502N s l pf0 pf12 x1", "02 04": "ngc6791 F502N s l"}.
#
# What stands here is FROM THE MONITOR'S GUIDE (dates, filters and targets of each program, flash levels of both
# clusters); visits, exposure times and numbers are not in it. CHECK AGAINST THE PROPOSAL, then put the visits in the
# place of the months. That each target was taken on each date, short and long in F502N, is assumed.
_flashed_sparse = ["ngc6791 F502N s l pf0", "ngc6791 F502N pf6 pf12"]
_flashed_dense = ["ngc104 F502N s l pf0", "ngc104 F502N pf6 pf12"]
_flash_ladder = ["ngc104 F502N pf33 pf55 pf91 pf116"]
expected_exposures = {
    11924: {"Oct 2009, Mar 2010, Sep 2010": "ngc6791 F502N s l pf0", "*": "ngc6791 F606W"},
    # Made to test charge injection, whose exposures are left out; the guide does not say which lengths remain.
    12348: {"Sep 2010": "ngc104 F502N"},
    12379: {
        "Nov 2010, Mar 2011, Apr 2011": ["ngc104 F502N s l pf0", "ngc6791 F502N s l pf0"],
        "*": ["ngc104 F606W", "ngc6791 F606W"],
    },
    12692: {
        "Oct 2011, Mar 2012, Jun-Jul 2012": ["ngc104 F502N s l pf0", "ngc6791 F502N s l pf0"],
        "*": ["ngc104 F606W", "ngc6791 F606W"],
        # The 180-degree set: each exposure of one visit has a partner in the other.
        "10 11": ["ngc6583 F502N s l pf0", "ngc6583 F606W l pf0"],
    },
    13083: {"Nov 2012, Mar 2013, Jul-Aug 2013": [*_flashed_dense, *_flashed_sparse], "*": _flash_ladder},
    13566: {"Jan 2014, Jul 2014": [*_flashed_dense, *_flashed_sparse], "*": _flash_ladder},
    14012: {"Feb 2015, Jun 2015": [*_flashed_dense, *_flashed_sparse], "*": _flash_ladder},
    # From here on also 18 and 24 e-/px; the guide does not say of which cluster.
    14378: {"Jan 2016, Jul-Aug 2016": [*_flashed_dense, *_flashed_sparse], "*": _flash_ladder},
    # Its later dates were not known when the guide was written.
    14541: {"Jan 2017": [*_flashed_dense, *_flashed_sparse], "*": _flash_ladder},
}
