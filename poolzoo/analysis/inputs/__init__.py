"""Inputs: images, clips, feature maps, test patterns and the images that parameters are fitted on."""
