"""What pooling did to a picture, as PNG files."""
