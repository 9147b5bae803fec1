-- Events name the long texts that they leave out beside the payload, whose members are those that consumers know and no others.
ALTER TABLE outbox ADD COLUMN texts json;
