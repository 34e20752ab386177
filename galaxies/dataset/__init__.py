"""Read a survey: its layout, its votes, its images, and the split."""
