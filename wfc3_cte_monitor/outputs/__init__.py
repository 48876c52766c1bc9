"""Folder and file names of the output tree, and the files in it."""

from wfc3_cte_monitor.outputs.coefficient_table import FORMATS, coefficient_table, table_text
from wfc3_cte_monitor.outputs.coefficients import publish_coefficients, read_coefficients, write_coefficients
from wfc3_cte_monitor.outputs.files import (
    FOLDERS,
    make_folder,
    read_table,
    replace_file,
    scratch_folder,
    sweep,
    unique_path,
    write_table,
)
from wfc3_cte_monitor.outputs.names import (
    cte_time_name,
    exposure_stem,
    flash_folder,
    levels_name,
    pair_stem,
    same_chip_name,
    set_folder,
    set_name,
)
from wfc3_cte_monitor.outputs.results import MOST_RECENT, NewestResults, complete, copy_tree, newest_results, publish
from wfc3_cte_monitor.outputs.star_lists import StarList, read_star_list, write_star_list
from wfc3_cte_monitor.outputs.tables import (
    alignment_table,
    catalog_table,
    mask_table,
    photometry_table,
    positions_table,
    read_photometry,
    read_positions,
    update_table,
)

__all__ = [
    "flash_folder",
    "set_folder",
    "exposure_stem",
    "pair_stem",
    "cte_time_name",
    "set_name",
    "levels_name",
    "same_chip_name",
    "FOLDERS",
    "make_folder",
    "unique_path",
    "write_table",
    "read_table",
    "replace_file",
    "scratch_folder",
    "sweep",
    "MOST_RECENT",
    "NewestResults",
    "newest_results",
    "complete",
    "publish",
    "copy_tree",
    "positions_table",
    "read_positions",
    "photometry_table",
    "read_photometry",
    "alignment_table",
    "mask_table",
    "catalog_table",
    "update_table",
    "write_coefficients",
    "publish_coefficients",
    "read_coefficients",
    "FORMATS",
    "coefficient_table",
    "table_text",
    "StarList",
    "read_star_list",
    "write_star_list",
]
