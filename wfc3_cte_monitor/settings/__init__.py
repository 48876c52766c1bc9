"""The user's ``config.py`` -> one frozen, checked `Settings`; the only place that reads configuration."""

from wfc3_cte_monitor.settings.read import CONFIG_VARIABLE, find_config, read_settings
from wfc3_cte_monitor.settings.record import Settings
from wfc3_cte_monitor.settings.trust import check_folder
from wfc3_cte_monitor.settings.values import server_url

__all__ = ["Settings", "find_config", "read_settings", "check_folder", "server_url", "CONFIG_VARIABLE"]
