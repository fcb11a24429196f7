"""Results as text: tables for a terminal, CSV, Markdown and LaTeX."""
