"""`hangtag retag --on ray`: products of Parquet files, tagged on the machines of a Ray cluster into Parquet files."""
