"""The paper's experiments: which runs its tables and figures need, training them, and what came of it as one page."""
