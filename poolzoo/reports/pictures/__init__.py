"""Pictures of pooled images: as PNG files, and as cut-outs for the page."""
