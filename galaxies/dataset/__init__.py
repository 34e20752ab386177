"""A survey as the pipeline sees it: what it is, its votes, its images, who trains and who tests."""
