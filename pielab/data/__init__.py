"""Whatever comes from outside: texts and labels, assets, the published numbers, and predictions made elsewhere."""
