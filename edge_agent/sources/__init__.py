"""Where readings come from. A source commits to the spool first and acknowledges to its server or broker after that."""
