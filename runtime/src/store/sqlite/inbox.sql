-- Version 3: messages for an instance that is set aside are marked, so that the worker does not read them until it goes on.
ALTER TABLE inbox ADD COLUMN aside INTEGER NOT NULL DEFAULT 0; -- 1: waits with its instance; 2: a request, which does not
CREATE INDEX inbox_waiting ON inbox (number) WHERE aside <> 1;
-- What waits for its first turn is found without a look at all that is busy.
CREATE INDEX instance_new ON instance (key) WHERE busy = 1 AND status = 'Pending';
