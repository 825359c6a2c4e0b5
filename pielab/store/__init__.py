"""Files on disk, written and read back: their names, atomic writes, records, predictions, the cache."""
