"""The page at `/`: static files, and the endpoint that serves them."""
