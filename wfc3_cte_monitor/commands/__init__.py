"""The two commands: ``run_uvis_external_cte`` and the tool box ``uvis_external_cte``. argparse lives only here."""
