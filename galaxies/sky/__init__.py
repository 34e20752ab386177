"""From positions on the sky to cut-outs, from image services or one's own mosaics."""
