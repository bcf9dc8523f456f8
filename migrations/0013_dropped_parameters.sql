-- Names of members of a request that its provider was not told of, with commas between them.
ALTER TABLE logs ADD COLUMN dropped_parameters text;
