"""The two commands: ``run_uvis_external_cte`` and the tool box ``uvis_external_cte``. argparse lives only here.

What does the work is imported by the functions that call it: the shell's completion asks for the parsers alone, and
nobody who presses the tab key, or wants ``--help``, should wait for astropy, matplotlib and SQLAlchemy.
"""
