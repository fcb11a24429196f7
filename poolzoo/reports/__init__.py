"""Rows in, pictures out: tables, plots and the HTML page. Nothing here measures."""
