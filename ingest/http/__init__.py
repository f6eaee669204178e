"""The HTTP side of ingest: batches from agents behind proxies, and the pages that say how an ingest process fares."""
