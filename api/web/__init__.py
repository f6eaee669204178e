"""The web pages: templates, their texts in English and Chinese, drawings, and what turns a result into words
and figures.

Everything is rendered on the server, works without scripts and loads nothing from elsewhere.
"""
