"""The studies as Python functions, each the command of the same name, with its options as keyword arguments."""
