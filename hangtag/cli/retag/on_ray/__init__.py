"""`hangtag retag run --on ray`: Parquet files, tagged on the machines of a Ray cluster into Parquet files."""
