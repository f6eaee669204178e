"""Would another honest analyst have come to the same verdict? Other models, other dates, fewer data."""
