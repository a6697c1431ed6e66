"""The paper's experiments: plans the runs for its tables and figures, trains them, and writes the results to a page."""
