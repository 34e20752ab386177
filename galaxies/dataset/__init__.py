"""Read a survey: its layout, its votes, its images, and the split into training and test galaxies."""
