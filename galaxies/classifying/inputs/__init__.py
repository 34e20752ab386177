"""Where the images to classify lie."""
