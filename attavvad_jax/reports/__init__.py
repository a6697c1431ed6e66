"""What people look at: timelines as text and pictures, and videos with the state written on them."""
