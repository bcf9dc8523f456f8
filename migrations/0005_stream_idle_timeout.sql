-- Milliseconds that an event stream's provider may be silent before the stream is cut; null: the ten minutes of every call.
ALTER TABLE gateways ADD COLUMN stream_idle_timeout integer CHECK (stream_idle_timeout BETWEEN 1000 AND 600000);
