-- The caller's trace that a request is part of, and the span in it that made the request, in hexadecimal digits.
ALTER TABLE logs ADD COLUMN trace_id text;
ALTER TABLE logs ADD COLUMN parent_span_id text;
