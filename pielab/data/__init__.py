"""Data from outside pielab: texts and labels, assets, the paper's numbers, and the predictions of other tools."""
