"""Reports for users: figures, pages, and videos with the detected state drawn on them."""
