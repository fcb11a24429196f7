"""The studies as Python functions: what the commands of the same names do, with their options as keyword arguments."""
