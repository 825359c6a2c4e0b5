"""Every file that is written, and how it is read back: names, atomic files, records, predictions, the cache."""
