"""Configuration of the WFC3/UVIS external CTE monitor.

Copy this file to ``config.py`` (do not commit the copy) and set the paths, or let
``uvis_external_cte initial_setup`` do both. It is found by ``--config``, then ``$UVIS_CTE_CONFIG``, then in the
working directory. Relative paths are relative to this file. What is legal for the pipeline to work on is said here;
what to work on now is said on the command line.
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

# Visits that are left out: program -> visit -> reason.
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

# Data-quality bits of pixels that spoil an aperture: Reed-Solomon error, fill, bad, deviant bias, hot, bad reference,
# bad flat, charge trap. Saturation (256, 2048) and cosmic rays (4096, 8192) are judged apart.
bad_dq_bits = 1 | 2 | 4 | 8 | 16 | 128 | 512 | 1024

# The archive that `uvis_external_cte retrieve` asks, such as "https://mast.stsci.edu"; None: astroquery's own.
mast_server = None
