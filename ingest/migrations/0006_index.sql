-- A point has two readings of one moment only by exception, so there is nothing for the index to merge, and looking for
-- it at every full page cost the writer time; readings come in order, so that pages may be filled. Chunks that are there
-- keep their index as it is, later ones get this.
ALTER INDEX telemetry.reading_point_time SET (deduplicate_items = off, fillfactor = 100);
