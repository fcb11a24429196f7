"""The HTML report: the page of a result and the explorer of its images."""
