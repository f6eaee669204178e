"""How often the stated interval holds the truth, by simulation over a grid of lines with known effects."""
