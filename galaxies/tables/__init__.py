"""Read catalogues and write tables: Parquet, CSV, FITS, VOTable and ECSV."""
