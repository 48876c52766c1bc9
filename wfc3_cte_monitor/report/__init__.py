"""The web page: what the monitor found, for a whole team to look at. Numbers and texts in, pages out."""

from wfc3_cte_monitor.report.comparison import compare_reports
from wfc3_cte_monitor.report.data import coefficient_data, explorer_data, read_script, script_text
from wfc3_cte_monitor.report.glance import Movement, movements
from wfc3_cte_monitor.report.pages import assets, page, plotting_library

__all__ = [
    "Movement",
    "movements",
    "compare_reports",
    "explorer_data",
    "coefficient_data",
    "script_text",
    "read_script",
    "assets",
    "page",
    "plotting_library",
]
