"""Files on disk, written and read back: their names, atomic writes, digests, records, predictions, the cache."""
