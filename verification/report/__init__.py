"""What people see of a result: the text report, its numbered explanation and its plots, in English and in Chinese.

Reads results only, and is light (no numpy), so that the command line, the web pages and an auditor's laptop draw the
same picture from the same bytes.
"""
